"""The demonstration site: a shop whose signals are worked off by a cluster."""
