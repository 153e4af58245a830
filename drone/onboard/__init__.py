"""What flies: perception, trust, switching, avoidance, limits. No torch, no simulator."""
