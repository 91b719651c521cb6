"""For monitoring systems: log lines as JSON, health, metrics."""
