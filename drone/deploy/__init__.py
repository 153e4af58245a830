"""From this machine onto a vehicle's: bundles, releases, and runs brought home (over ssh)."""
