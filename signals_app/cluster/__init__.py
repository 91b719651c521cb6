"""The one door to Django-Q: what its cluster calls, and who restarts it."""
