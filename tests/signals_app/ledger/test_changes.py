"""What an operator does to deliveries."""

import pytest

from signals_app import ledger
from signals_app.models import State
from tests.signals_app.ledger.acts import claim, claimed, put
from tests.testapp.receivers import nothing, work

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def one_of_each() -> tuple[dict[State, int], list[int]]:
    """Return deliveries that were attempted twice, by their state, and their ids."""
    ids = {state: put(state=state, attempts=2).id for state in State}
    return ids, list(ids.values())


def test_retry_takes_what_failed_or_was_cancelled_and_gives_it_new_attempts_now() -> None:
    of, ids = one_of_each()
    failed = put(state=State.FAILED, attempts=2, due_at="2999-01-01T00:00Z")
    assert ledger.retry([*ids, failed.id], attempts=3) == [of[State.FAILED], of[State.CANCELLED], failed.id]
    failed.refresh_from_db()
    assert (failed.state, failed.attempts, failed.max_attempts) == (State.READY, 2, 5)
    assert failed.finished_at is None
    assert failed.id in claimed()
    most = put(state=State.FAILED, attempts=2)
    assert ledger.retry([most.id], attempts=2**31 - 1) == [most.id]
    most.refresh_from_db()
    assert most.max_attempts == 2 + 2**30, "as many as there may be"


def test_cancel_takes_only_what_waits() -> None:
    ready = put()
    _, ids = one_of_each()
    waiting = [ready.id, ids[0]]
    assert ledger.cancel([*ids, ready.id, ready.id, 10**12]) == sorted(waiting), "each once"
    assert ledger.cancel([]) == []
    ready.refresh_from_db()
    assert ready.state == State.CANCELLED
    assert ready.finished_at is not None


def test_move_takes_only_what_waits_elsewhere_and_keeps_its_due_time() -> None:
    ready = put()
    due_at = ready.due_at
    of, ids = one_of_each()
    waiting = sorted([ready.id, of[State.READY]])
    assert ledger.move([ready.id, *ids], queue="elsewhere") == waiting
    assert ledger.move([ready.id, *ids], queue="elsewhere") == []
    ready.refresh_from_db()
    assert (ready.state, ready.queue, ready.due_at) == (State.READY, "elsewhere", due_at)
    assert sorted(claimed(queue="elsewhere")) == waiting


def test_run_now_takes_only_what_waits_for_later() -> None:
    now = put().id
    later = {state: put(state=state, due_at="2999-01-01T00:00Z").id for state in State}
    assert ledger.run_now([now, *later.values()]) == [later[State.READY]]
    assert ledger.run_now([now, *later.values()]) == []
    assert claimed() == [now, later[State.READY]]


def test_reassign_takes_only_what_waits_for_a_receiver_that_nobody_knows() -> None:
    known, lost = put(nothing, receiver="old_name"), put(nothing, receiver="old_name")
    taken = {one.id: one for one in claim()}
    ledger.give_back([taken[known.id]])
    ledger.give_back_unroutable(taken[lost.id], delay=60)

    assert ledger.reassign([known.id, lost.id], receiver=work.key) == [lost.id]
    assert ledger.reassign([known.id, lost.id], receiver=work.key) == []

    lost.refresh_from_db()
    assert (lost.receiver, lost.unroutable, lost.attempts) == (work.key, False, 0)
    assert (lost.id, work.key) in [(one.id, one.receiver) for one in claim()]
