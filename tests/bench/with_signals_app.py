"""The side of signals_app: queued receivers, and what is left of its queue."""

from typing import Any

from django.db import connection

from signals_app.dispatcher import queued_receiver
from signals_app.models import Delivery, State
from tests.bench import work
from tests.bench.signals import asked, placed


@queued_receiver(placed)
def nothing(sender: object, number: int, label: str, **kwargs: Any) -> None:
    """Do nothing, in a worker."""
    work.nothing(number, label)


@queued_receiver(asked)
def report(sender: object, number: int, label: str, **kwargs: Any) -> None:
    """Say when this began, in a worker."""
    work.report(number, label)


def clear() -> None:
    """Forget everything queued and recorded."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("TRUNCATE signals_app_delivery, signals_app_attempt")
        else:
            cursor.execute("DELETE FROM signals_app_attempt")
            cursor.execute("DELETE FROM signals_app_delivery")


def unfinished() -> int:
    """Return how many deliveries are not final in the record."""
    return Delivery.objects.filter(state__in=(State.READY, State.RUNNING)).count()


def is_any_unfinished() -> bool:
    """Tell whether any is left; written with literals, so that the partial indexes answer."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM signals_app_delivery WHERE queue = 'bench' AND state = 'READY')"
            " OR EXISTS (SELECT 1 FROM signals_app_delivery WHERE queue = 'bench' AND state = 'RUNNING')"
        )
        return bool(cursor.fetchone()[0])


def records() -> int:
    """Return how many finished deliveries are on record."""
    return Delivery.objects.filter(state=State.SUCCESSFUL).count()
