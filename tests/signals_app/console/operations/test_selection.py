"""Which deliveries a selection means."""

from __future__ import annotations

from typing import Any

import pytest

from signals_app.console.queries import Selection
from signals_app.models import Delivery, Outcome, State
from tests.signals_app.console.admin.rows import at, attempt, delivery

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def rows() -> list[Delivery]:
    """Two deliveries that differ in everything that can be chosen by."""
    names = {"receiver": "shop.print", "signal": "shop.signals.paid", "queue": "mail"}
    one = delivery(State.FAILED, attempts=3, enqueued_at=at(60), unroutable=True, **names)
    attempt(one, number=2, error_class="builtins.OSError")
    attempt(one, number=3, outcome=Outcome.LOST)
    attempt(one, number=3)
    attempt(one, number=3, outcome=Outcome.STALE, error_class="builtins.KeyError")  # a late report of the lost one
    return [one, delivery(payload='{"sender":null,"arguments":{"order":77}}', unroutable=True)]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({}, [0, 1]),
        ({"states": (State.FAILED,)}, [0]),
        ({"states": (State.FAILED, State.READY)}, [0, 1]),
        ({"receiver": "shop.print"}, [0]),
        ({"signal": "shop.signals.paid"}, [0]),
        ({"queue": "mail"}, [0]),
        ({"error_class": "builtins.ValueError"}, [0]),
        ({"error_class": "builtins.OSError"}, []),
        ({"error_class": "builtins.KeyError"}, []),
        ({"attempts": 3}, [0]),
        ({"attempts": 4}, []),
        ({"since": at(60)}, [0]),
        ({"until": at(60)}, [1]),
        ({"since": at(0), "until": at(61)}, [0, 1]),
        ({"search": "order=77"}, [1]),
        ({"unroutable": True}, [1]),
        ({"long": True}, []),
        ({"ended": at(5)}, [0]),
        ({"queue": "mail", "states": (State.READY,)}, []),
    ],
)
def test_everything_that_is_given_applies(rows: list[Delivery], given: dict[str, Any], meant: list[int]) -> None:
    selection = Selection(**given)
    assert list(selection.rows().order_by("pk")) == [rows[n] for n in meant]
    assert selection.is_everything == (not given)
    assert list(Selection(ids=(rows[1].pk, 999), **given).rows()) == [rows[n] for n in meant if n == 1]
