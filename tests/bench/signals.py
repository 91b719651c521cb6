"""What is sent: the same signals with the same arguments, whoever receives them."""

from django.dispatch import Signal

placed = Signal()  # number: int, label: str; its receiver does nothing
asked = Signal()  # number: int, label: str; its receiver says when it began
