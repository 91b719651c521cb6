"""What an operator does to deliveries."""

import threading
from typing import Any

import pytest
from django.db import connection

from signals_app import ledger
from signals_app.ledger import operations
from signals_app.models import Attempt, Delivery, State
from tests.signals_app.ledger.acts import claim, claimed, put
from tests.testapp.receivers import work

pytestmark = [pytest.mark.django_db, pytest.mark.database]

LATER = "2999-01-01T00:00Z"
READY = [State.READY]


@pytest.mark.parametrize(
    ("change", "to", "states", "takes_due", "is_due", "after"),
    [
        (
            *(ledger.retry, {"attempts": 3}, [State.FAILED, State.CANCELLED], False, True),
            {"state": State.READY, "attempts": 2, "max_attempts": 5, "finished_at": None},
        ),
        (
            *(ledger.cancel, {}, [State.READY, State.RUNNING], True, False),
            {"state": State.CANCELLED, "finished_at__lt": LATER, "lease_until": None},
        ),
        (ledger.move, {"queue": "elsewhere"}, READY, True, False, {"queue": "elsewhere", "due_at": LATER}),
        (ledger.run_now, {}, READY, False, True, {"queue": "sigdemo", "attempts": 2}),
        (
            *(ledger.reassign, {"receiver": work.key}, READY, False, True),
            {"receiver": work.key, "unroutable": False, "attempts": 2},
        ),
    ],
)
def test_a_change_takes_only_what_is_in_the_right_state_and_once(
    change: Any, to: dict[str, Any], states: list[State], takes_due: bool, is_due: bool, after: dict[str, Any]
) -> None:
    of = {
        state: put(state=state, attempts=2, due_at=LATER, finished_at=LATER, receiver="old_name", unroutable=True).id
        for state in State
    }
    plain = put().id  # ready, due, and for a receiver that is known
    taken = [of[state] for state in states]

    assert change([*of.values(), plain, *of.values(), 10**12], **to) == [*taken, *[plain] * takes_due], "each once"
    assert change([*of.values(), plain], **to) == change([], **to) == []
    assert Delivery.objects.filter(pk__in=taken, **after).count() == len(taken)
    assert sorted(claimed()) == [*taken * is_due, *[plain] * (not takes_due)]


def test_retry_gives_no_more_attempts_than_there_may_be() -> None:
    most = put(state=State.FAILED, attempts=2)
    ledger.retry([most.id], attempts=2**31 - 1)
    most.refresh_from_db()
    assert most.max_attempts == 2 + 2**30


@pytest.mark.django_db(transaction=True)
def test_what_goes_back_while_it_is_cancelled_is_cancelled_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    put()
    (held,) = claim()
    change = operations._changed

    def give_back() -> None:
        ledger.give_back([held])
        connection.close()

    giving_back = threading.Thread(target=give_back)

    def late(*arguments: Any) -> list[int]:
        giving_back.start()
        giving_back.join(0.3)
        return change(*arguments)

    monkeypatch.setattr(operations, "_changed", late)
    assert ledger.cancel([held.id]) == [held.id]
    giving_back.join()
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.attempts) == (State.CANCELLED, Attempt.objects.get().number)
