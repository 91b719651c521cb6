"""Faults, injected into real processes: each test breaks something and asks ``invariant`` whether anything was lost.

``make faults`` runs them at full size on SQLite and PostgreSQL and prints a ledger; ``make test`` runs a short form.
"""
