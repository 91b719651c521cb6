"""The receivers of signals_app."""

from typing import Any

from signals_app.dispatcher import queued_receiver
from tests.bench import work


@queued_receiver(work.placed)
def nothing(sender: object, number: int, label: str, **kwargs: Any) -> None:
    work.nothing(number, label)


@queued_receiver(work.asked)
def report(sender: object, number: int, label: str, **kwargs: Any) -> None:
    work.report(number, label)
