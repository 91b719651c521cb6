"""Successes that are kept for a moment and recorded together, and what becomes of them if their worker dies."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import OperationalError
from django.test import override_settings

from signals_app import ledger, signals
from signals_app.cluster.broker import DeliveryBroker
from signals_app.conf import conf
from signals_app.dispatcher import current_delivery
from signals_app.models import Attempt, Delivery, Outcome, State
from signals_app.processes.identity import current_process
from signals_app.processes.liveness import liveness
from signals_app.worker import attempt, heartbeat, loop
from signals_app.worker.isolation import Isolation
from tests.cluster import wait_until
from tests.faults import misbehaving
from tests.forks import in_child
from tests.signals_app.listeners import Doing, Failing, listening
from tests.testapp import receivers
from tests.testapp.receivers import enqueue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Every receiver is quick enough on a busy machine; which are known to be is for the test to say."""
    took: dict[str, float] = {}
    monkeypatch.setattr(attempt, "_took", took)
    monkeypatch.setattr(attempt, "QUICK", 10.0)
    monkeypatch.setattr(attempt, "KEPT", 60.0)
    return took


@pytest.fixture
def records(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """What was recorded by each statement."""
    seen: list[list[int]] = []

    def note(name: str, ids: Callable[[Any], list[int]]) -> None:
        write = getattr(ledger, name)

        def noting(what: Any, *arguments: Any, **options: Any) -> Any:
            seen.append(ids(what))
            return write(what, *arguments, **options)

        monkeypatch.setattr(ledger, name, noting)

    note("succeed_together", lambda successes: [one.claimed.id for one in successes])
    note("succeed", lambda claimed: [claimed.id])
    note("record_failure", lambda claimed: [claimed.id])
    return seen


@pytest.fixture
def told() -> Iterator[list[tuple[int, str]]]:
    """What was told to have succeeded, each with its state on the record at that moment."""
    seen: list[tuple[int, str]] = []

    def note(delivery: ledger.ClaimedDelivery, **facts: object) -> None:
        seen.append((delivery.id, Delivery.objects.get(pk=delivery.id).state))

    with listening(signals.delivery_succeeded, note):
        yield seen


def run_at_once() -> None:
    """Claim all that waits, and run it."""
    loop._run_all(ledger.claim(conf.queue, owner=str(current_process()), limit=16, lease=conf.lease), Isolation())


def stand() -> list[tuple[str, int]]:
    return list(Delivery.objects.order_by("id").values_list("state", "attempts"))


def test_a_batch_of_quick_receivers_is_recorded_by_one_statement_and_then_told_of(
    records: list[list[int]], told: list[tuple[int, str]]
) -> None:
    ids = [enqueue(receivers.nothing).id for _ in range(4)]
    run_at_once()
    assert records == [ids]
    assert told == [(one, State.SUCCESSFUL) for one in ids]
    enqueue(receivers.nothing)
    run_at_once()
    assert len(records[1]) == 1, "one that is alone need not wait"


def test_each_is_on_record_with_its_own_times_and_progress(doing: Doing) -> None:
    ran: list[int] = []

    def work(**arguments: object) -> None:
        ran.append(current_delivery().id)
        current_delivery().progress(len(ran), 9)

    for _ in range(3):
        doing(receivers.nothing, work)
    run_at_once()
    rows = list(Delivery.objects.order_by("id"))
    assert [(row.progress_done, row.progress_total) for row in rows] == [(1, 9), (2, 9), (3, 9)]
    times = [moment for row in rows for moment in (row.started_at, row.finished_at)]
    assert times == sorted(times)  # type: ignore[type-var]
    assert len(set(times)) == 6


def test_nothing_is_kept_for_longer_than_its_time(monkeypatch: pytest.MonkeyPatch, records: list[list[int]]) -> None:
    monkeypatch.setattr(attempt, "KEPT", 0.0)
    ids = [enqueue(receivers.nothing).id for _ in range(3)]
    run_at_once()
    assert records == [[one] for one in ids]


@pytest.mark.parametrize(
    ("receiver", "columns", "took"),
    [
        (receivers.atomic_work, {}, 0.0),
        (receivers.work, {}, None),
        (receivers.work, {}, 10.0),
        (receivers.work, {"max_attempts": 1}, 0.0),
        (receivers.work, {"token": 1}, 0.0),
    ],
    ids=["atomic", "never run here", "slow", "only one attempt", "claimed before"],
)
def test_what_is_kept_is_recorded_before_it_begins(
    receiver: Any, columns: dict[str, Any], took: float | None, known: dict[str, float]
) -> None:
    first, other = enqueue(receivers.nothing), enqueue(receiver)
    enqueue(receivers.nothing)
    Delivery.objects.filter(pk=other.pk).update(**columns)
    known |= {} if took is None else {receiver.key: took}
    states = []

    def look(delivery: ledger.ClaimedDelivery, **facts: object) -> None:
        if delivery.id == other.id:
            states.append(Delivery.objects.get(pk=first.pk).state)

    with listening(signals.delivery_started, look):
        run_at_once()
    assert states == [State.SUCCESSFUL]
    assert [state for state, _ in stand()] == [State.SUCCESSFUL] * 3


def test_what_is_kept_is_recorded_before_a_failure(known: dict[str, float], records: list[list[int]]) -> None:
    known[receivers.fails.key] = 0.0
    ids = [enqueue(one).id for one in (receivers.nothing, receivers.fails, receivers.nothing)]
    run_at_once()
    assert records == [[one] for one in ids]
    assert [state for state, _ in stand()] == [State.SUCCESSFUL, State.READY, State.SUCCESSFUL]


def test_one_that_was_taken_over_is_stale_and_the_others_are_recorded(
    doing: Doing, told: list[tuple[int, str]]
) -> None:
    def take_the_first_over(**arguments: object) -> None:
        Delivery.objects.filter(pk=min(ids)).update(token=99)

    ids = [doing(receivers.nothing, take_the_first_over).id for _ in range(3)]
    run_at_once()
    assert [state for state, _ in stand()] == [State.RUNNING, State.SUCCESSFUL, State.SUCCESSFUL]
    assert (Attempt.objects.get().delivery_id, Attempt.objects.get().outcome) == (ids[0], Outcome.STALE)
    assert [one for one, _ in told] == ids[1:]


@pytest.mark.parametrize("is_written", [False, True])
def test_each_is_recorded_and_told_of_once_though_the_answer_was_lost_or_the_statement_failed(
    failing: Failing, told: list[tuple[int, str]], is_written: bool
) -> None:
    failing("succeed_together", *[OperationalError("server closed the connection")] * 2, is_written=is_written)
    ids = [enqueue(receivers.nothing).id for _ in range(3)]
    run_at_once()
    assert told == [(one, State.SUCCESSFUL) for one in ids]
    assert not Attempt.objects.exists()


def test_what_cannot_be_recorded_is_left_to_its_lease_and_runs_once_more_uncharged(failing: Failing) -> None:
    errors = failing("succeed_together", *[OperationalError("the disk is full")] * 1_000)
    for _ in range(3):
        enqueue(receivers.nothing)
    with override_settings(SIGNALS_APP={"LEASE": 0.2}):
        with pytest.raises(OperationalError):
            run_at_once()
        loop._uncertain.is_open = True
        loop._uncertain.release_unstarted(conf.queue, owner=str(current_process()))
        assert stand() == [(State.RUNNING, 1)] * 3
        errors.clear()
        wait_until(_is_recovered, "the end of the lease")
    run_at_once()
    assert stand() == [(State.SUCCESSFUL, 1)] * 3
    assert not Attempt.objects.exists()


def _is_recovered() -> bool:
    DeliveryBroker(list_key=conf.queue)._recover_lost()
    return stand() == [(State.READY, 0)] * 3


def test_the_heartbeat_records_what_is_kept_when_a_receiver_is_slow_for_once(
    doing: Doing, known: dict[str, float], told: list[tuple[int, str]]
) -> None:
    def wait_for_the_first(**arguments: object) -> None:
        if current_delivery().id != first.id:
            wait_until(lambda: Delivery.objects.get(pk=first.pk).state == State.SUCCESSFUL, "the record")

    first = doing(receivers.nothing, wait_for_the_first)
    second = enqueue(receivers.nothing)
    run_at_once()
    assert told == [(one.id, State.SUCCESSFUL) for one in (first, second)]
    assert not Attempt.objects.exists()


def test_what_is_kept_is_recorded_when_the_heartbeat_ends_the_process(
    monkeypatch: pytest.MonkeyPatch, known: dict[str, float]
) -> None:
    monkeypatch.setattr(heartbeat.ClaimedBatch, "give_back_rest", heartbeat.ClaimedBatch.record_kept)
    known[misbehaving.overruns.key] = 0.0
    enqueue(receivers.nothing)
    enqueue(misbehaving.overruns, how="digests in C", times=1)
    with override_settings(SIGNALS_APP={"GRACE": 0.1}):
        assert in_child(run_at_once) == 70
    assert [state for state, _ in stand()] == [State.SUCCESSFUL, State.READY]
    assert Attempt.objects.get().outcome == Outcome.TIMEOUT


# A worker dies


def run_and_die(*, is_known: bool) -> None:
    """Run all that waits in a process that dies of it; ``is_known`` is whether a pusher of its host lives on."""

    def run() -> None:
        liveness.task_started()
        if not is_known:
            liveness.run = lambda delivery: None  # type: ignore[method-assign]
        for _ in range(3):  # one that was ever lost runs alone
            run_at_once()

    assert in_child(run) == -signal.SIGKILL
    DeliveryBroker(list_key=conf.queue)._recover_lost()


@pytest.fixture
def poison(known: dict[str, float]) -> Delivery:
    """A delivery that kills its worker each time, between two that do nothing."""
    known[receivers.kills_its_worker.key] = 0.0
    enqueue(receivers.nothing)
    delivery = enqueue(receivers.kills_its_worker)
    enqueue(receivers.nothing)
    return delivery


def test_the_one_that_a_worker_died_of_is_charged_and_not_what_had_ended_well(poison: Delivery) -> None:
    run_and_die(is_known=True)
    assert stand() == [(State.READY, 0), (State.READY, 1), (State.READY, 0)]
    attempt = poison.failed_attempts.get()
    assert (attempt.number, attempt.outcome, attempt.error_class) == (1, Outcome.LOST, "WorkerDied")


def test_a_worker_that_dies_as_it_records_what_is_kept_is_charged_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "succeed_together", lambda successes: os.kill(os.getpid(), signal.SIGKILL))
    for _ in range(3):
        enqueue(receivers.nothing)
    run_and_die(is_known=True)
    assert stand() == [(State.READY, 0)] * 3


def test_where_nobody_knows_what_a_worker_died_of_nothing_is_charged_at_first(
    poison: Delivery, caplog: pytest.LogCaptureFixture
) -> None:
    run_and_die(is_known=False)
    assert stand() == [(State.READY, 0)] * 3
    assert "3 deliveries, goes back uncharged: some may have ended." in caplog.text
    run_and_die(is_known=False)
    assert stand() == [(State.SUCCESSFUL, 1), (State.READY, 1), (State.READY, 0)]


@pytest.mark.parametrize(("is_known", "deaths"), [(True, 3), (False, 4)], ids=["here", "elsewhere"])
def test_a_delivery_that_kills_its_worker_fails_after_its_attempts_and_one_more_at_most(
    poison: Delivery, is_known: bool, deaths: int
) -> None:
    for _ in range(deaths):
        assert Delivery.objects.get(pk=poison.pk).state == State.READY
        run_and_die(is_known=is_known)
    assert Delivery.objects.get(pk=poison.pk).state == State.FAILED
    run_at_once()
    assert stand() == [(State.SUCCESSFUL, 1), (State.FAILED, 3), (State.SUCCESSFUL, 1)]
    lost = poison.failed_attempts.order_by("number").values_list("number", "outcome")
    assert list(lost) == [(number, Outcome.LOST) for number in (1, 2, 3)]


@pytest.mark.parametrize("is_known", [True, False], ids=["here", "elsewhere"])
def test_what_has_one_attempt_never_begins_twice(poison: Delivery, is_known: bool) -> None:
    Delivery.objects.filter(pk=poison.pk).update(max_attempts=1)
    run_and_die(is_known=is_known)
    assert stand() == [(State.SUCCESSFUL, 1), (State.FAILED, 1), (State.READY, 0)]


def test_one_that_was_claimed_alone_is_charged_at_once_wherever_its_worker_died() -> None:
    enqueue(receivers.kills_its_worker)
    run_and_die(is_known=False)
    assert stand() == [(State.READY, 1)]
