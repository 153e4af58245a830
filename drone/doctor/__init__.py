"""Is this vehicle fit to fly? Pure checks of measured facts, and what measures them."""
