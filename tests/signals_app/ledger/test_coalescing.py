"""Deliveries of one receiver and key: which one runs, and what becomes of the others."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from signals_app import ledger
from signals_app.conf import conf
from signals_app.ledger import ClaimedDelivery, Failure
from signals_app.ledger.coalescing import _OPEN
from signals_app.models import Delivery, Outcome, State
from tests.query_plan import query_plan
from tests.signals_app.ledger.acts import claim, put
from tests.signals_app.threads import at_the_same_time

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def keyed(key: str = "lamp", *, due: float = 0, sent: float = 0, **columns: Any) -> Delivery:
    """Enqueue one of a key, due in so many seconds and sent so many ago."""
    now = timezone.now()
    columns |= {"due_at": now + timedelta(seconds=due - 1), "enqueued_at": now - timedelta(seconds=sent)}
    return put(coalesce_key=key, **columns)


def coalesce(claimed: ClaimedDelivery, **waits: float) -> tuple[int | None, int]:
    runner, merged = ledger.coalesce(claimed, lease=30, **waits)
    return runner.id if runner else None, merged


def states() -> list[tuple[str, int | None]]:
    """Return the state of each delivery, by id, and into which it was merged."""
    return list(Delivery.objects.order_by("pk").values_list("state", "merged_into"))


def test_the_newest_runs_in_the_place_of_all_that_are_older() -> None:
    first, *_, last = (keyed(sent=sent) for sent in (30, 20, 10))
    other, elsewhere = keyed("desk"), keyed(queue="elsewhere")
    (claimed,) = claim(limit=1)
    assert claimed.id == first.id
    runner, merged = ledger.coalesce(claimed, lease=30)
    assert runner
    assert (runner.id, runner.attempt, runner.owner, runner.token, merged) == (last.id, 1, "me", 1, 2)
    assert states() == [("MERGED", last.id)] * 2 + [("RUNNING", None)] + [("READY", None)] * 2
    first.refresh_from_db()
    assert (first.attempts, first.started_at, first.lease_until) == (0, None, None)
    assert first.finished_at
    last.refresh_from_db()
    assert (last.waiting_since, last.slot) == (first.enqueued_at, 0)
    assert last.lease_until
    assert ledger.succeed(runner, ran=0)
    assert not ledger.succeed(claimed, ran=0)
    assert {other.id, elsewhere.id} == set(Delivery.objects.filter(state=State.READY).values_list("pk", flat=True))


def test_one_that_is_alone_runs_as_it_was_claimed() -> None:
    keyed()
    (claimed,) = claim()
    assert ledger.coalesce(claimed, lease=30) == (claimed, 0)
    assert ledger.succeed(claimed, ran=0)


def test_what_was_sent_while_one_runs_is_a_row_of_its_own() -> None:
    first = keyed()
    (running,) = claim()
    coalesce(running)
    later = keyed()
    (claimed,) = claim()
    assert coalesce(claimed) == (later.id, 0)
    assert states() == [("RUNNING", None)] * 2
    assert ledger.succeed(running, ran=0)
    assert first.id == running.id


def test_what_another_worker_has_claimed_and_not_begun_is_merged_and_that_worker_goes_on() -> None:
    for _ in range(3):
        keyed()
    mine, theirs = claim("me", limit=1), claim("they", limit=2)
    assert coalesce(mine[0]) == (theirs[1].id, 2)
    assert [coalesce(one) for one in theirs] == [(None, 0)] * 2
    taken = Delivery.objects.get(pk=theirs[1].id)
    assert (taken.owner, taken.attempts, taken.token) == ("me", 1, 2)


def test_one_that_waits_for_a_retry_is_merged_into_what_runs_now_and_never_the_other_way() -> None:
    failed = keyed()
    (claimed,) = claim()
    coalesce(claimed)
    ledger.record_failure(claimed, Failure(outcome=Outcome.ERROR, state=State.READY, ran=0, delay=60))
    newer, scheduled = keyed(), keyed(due=60)
    (claimed,) = claim()
    assert coalesce(claimed) == (newer.id, 1)
    assert states() == [("MERGED", newer.id), ("RUNNING", None), ("READY", None)]
    assert Delivery.objects.get(pk=failed.id).attempts == 1
    assert scheduled.id


def test_debounce_waits_for_quiet_and_for_the_oldest_no_longer_than_max_wait() -> None:
    oldest, _, newest = keyed(sent=10), keyed(sent=8), keyed(sent=1, due=9)
    (claimed,) = claim(limit=1)
    assert coalesce(claimed, debounce=10, max_wait=15) == (None, 2)
    assert states() == [("MERGED", newest.id)] * 2 + [("READY", None)]
    newest.refresh_from_db()
    assert newest.waiting_since == oldest.enqueued_at
    assert 4 < (newest.due_at - timezone.now()).total_seconds() < 5.1  # not 9: of 15, 10 are over

    Delivery.objects.filter(pk=newest.pk).update(due_at=timezone.now())
    (claimed,) = claim()
    last = keyed(due=10)
    assert coalesce(claimed, debounce=10) == (None, 1)
    last.refresh_from_db()
    assert (last.waiting_since, (last.due_at - timezone.now()).total_seconds() > 8) == (oldest.enqueued_at, True)
    assert states() == [("MERGED", last.id)] * 3 + [("READY", None)]  # each names the one that is to run


def test_after_max_wait_the_newest_runs_though_it_is_not_quiet() -> None:
    keyed(sent=20)
    newest = keyed(due=9)
    (claimed,) = claim()
    assert coalesce(claimed, debounce=10, max_wait=15) == (newest.id, 1)
    assert states() == [("MERGED", newest.id), ("RUNNING", None)]


def test_a_newest_row_that_cannot_be_read_is_set_aside_and_the_one_before_it_runs() -> None:
    first, second = keyed(), keyed()
    broken = keyed(token=2**31 - 1)
    (claimed,) = claim(limit=1)
    assert coalesce(claimed) == (second.id, 1)
    assert states() == [("MERGED", second.id), ("RUNNING", None), ("FAILED", None)]
    assert first.id < broken.id


def test_of_a_dead_worker_the_one_that_it_took_over_is_charged_and_what_it_claimed_along_is_not() -> None:
    keyed(due=-60)
    along, newest = put(due_at=timezone.now() - timedelta(seconds=30)), keyed()
    first, _ = claim(limit=2)
    assert coalesce(first) == (newest.id, 1)
    recovered = ledger.recover_lost(conf.queue, is_dead=lambda owner: True)
    assert ([one.claimed.id for one in recovered.lost], recovered.returned) == ([newest.id], 1)
    assert dict(Delivery.objects.values_list("pk", "attempts")).items() >= {newest.id: 1, along.id: 0}.items()


@pytest.mark.django_db(transaction=True)
def test_workers_that_come_to_a_key_at_the_same_time_begin_one() -> None:
    for _ in range(8):
        keyed()
    claimed = [claim(f"worker {number}", limit=2) for number in range(4)]
    begun = at_the_same_time(*(beginning(batch) for batch in claimed))
    assert [one for some in begun for one in some] == [claimed[-1][-1].id]
    assert [state for state, _ in states()] == ["MERGED"] * 7 + ["RUNNING"]


def beginning(batch: list[ClaimedDelivery]) -> Callable[[], list[int]]:
    return lambda: [one.id for one in [ledger.coalesce(one, lease=30)[0] for one in batch] if one]


def test_finding_what_is_open_of_a_key_reads_an_index_of_its_own() -> None:
    plan = query_plan(_OPEN, id=1, token=1, owner="me", bucket="", receiver="a", key="b", queue="c")
    assert "signals_app_coalesce" in plan
