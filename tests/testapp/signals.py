"""Signals that the tests send."""

from django.dispatch import Signal

plain = Signal()  # label: str
unheard = Signal()  # nobody listens until a test connects someone
batch_settled = Signal()  # batch: BatchResult
