"""`drone tune`: which thresholds would have served better, from the user's own flights.

    logs ─► Recorded ─► evaluate a setting ◄─ search ─► Pareto front ─► choice ─► tuned.toml
                          (trust, replayed)                 └─► expected ─► tuning.html

No image is looked at and nothing is learned: trust is replayed on the logged labels and estimates.
"""
