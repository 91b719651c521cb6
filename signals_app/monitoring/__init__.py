"""For monitoring systems: health and metrics."""
