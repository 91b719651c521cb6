"""Signals that the tests send."""

from django.dispatch import Signal

plain = Signal()  # label: str
varied = Signal()  # whatever a test passes
unheard = Signal()  # nobody listens until a test connects someone
