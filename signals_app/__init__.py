"""Receivers of stock Django signals, run by Django-Q2 workers: durable, retried and on the record."""

__version__ = "0.1.0"
