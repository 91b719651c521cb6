"""The whole path with a real qcluster in its own processes: from a stock send() to the record."""

import os
import signal
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import transaction
from django_q.status import Stat

from signals_app.conf import conf
from signals_app.models import Delivery, Outcome, State
from signals_app.processes.identity import ProcessIdentity
from tests.cluster import Cluster, wait_for_end, wait_until
from tests.testapp import receivers
from tests.testapp.models import Effect
from tests.testapp.receivers import enqueue
from tests.testapp.signals import plain

pytestmark = [pytest.mark.django_db(transaction=True, databases=["default"]), pytest.mark.database]


def worker_of(delivery: Delivery) -> int:
    process = ProcessIdentity.parse(delivery.owner)
    assert process is not None
    return process.pid


def outcomes(delivery: Delivery) -> list[str]:
    return list(delivery.failed_attempts.values_list("outcome", flat=True))


def test_a_sent_signal_runs_in_a_worker_of_the_cluster(cluster: Cluster) -> None:
    ((receiver, delivery),) = plain.send(sender="a test", label="hello")
    assert receiver is receivers.work
    assert isinstance(delivery, Delivery)
    wait_for_end([delivery])
    assert (delivery.state, delivery.attempts) == (State.SUCCESSFUL, 1)
    effect = Effect.objects.get()
    assert (effect.label, effect.delivery_id, effect.attempt) == ("hello", delivery.id, 1)
    assert effect.pid == worker_of(delivery)
    assert effect.pid != os.getpid()
    assert effect.pid in cluster.family()


def test_nothing_runs_before_the_commit_nor_after_a_rollback(cluster: Cluster) -> None:
    class Undone(Exception):
        """Rolls a block back."""

    def roll_back() -> None:
        with transaction.atomic():
            enqueue(receivers.work, label="rolled back")
            raise Undone

    with pytest.raises(Undone):
        roll_back()
    with transaction.atomic():
        delivery = enqueue(receivers.work, label="committed")
    wait_for_end([delivery])
    assert list(Effect.objects.values_list("label", flat=True)) == ["committed"]
    assert Delivery.objects.get() == delivery


def test_retries_and_delayed_deliveries_start_when_they_are_due(cluster: Cluster) -> None:
    retried = [enqueue(receivers.fails_once), enqueue(receivers.asks_for_later)]
    delayed = enqueue(receivers.delayed_work)
    assert delayed.due_at - delayed.enqueued_at == timedelta(seconds=1)
    wait_for_end([*retried, delayed])
    assert [outcomes(d) for d in retried] == [[Outcome.ERROR], [Outcome.RETRY_AFTER]]
    for delivery in retried:
        assert delivery.state == State.SUCCESSFUL
        assert delivery.started_at is not None
        assert delivery.started_at - delivery.failed_attempts.get().finished_at > timedelta(seconds=0.1)
    assert delayed.started_at is not None
    assert delayed.started_at >= delayed.due_at


def test_a_timeout_that_cannot_interrupt_its_receiver_ends_the_worker_and_says_so(cluster: Cluster) -> None:
    delivery = enqueue(receivers.cannot_be_interrupted)
    wait_for_end([delivery])
    ended = delivery.failed_attempts.get()
    assert (delivery.state, ended.outcome) == (State.FAILED, Outcome.TIMEOUT)
    assert "its worker process was ended" in ended.message
    assert "time.sleep(60)" in ended.traceback


def test_a_receiver_that_kills_its_worker_is_charged_alone(cluster: Cluster) -> None:
    killer = enqueue(receivers.kills_its_worker)
    neighbours = [enqueue(receivers.work) for _ in range(20)]
    wait_for_end([killer, *neighbours], seconds=60)
    assert (killer.state, killer.attempts, outcomes(killer)) == (State.FAILED, 3, [Outcome.LOST] * 3)
    assert {(d.state, d.attempts) for d in neighbours} == {(State.SUCCESSFUL, 1)}
    assert Effect.objects.count() == 20


def test_a_worker_killed_inside_an_atomic_receiver_leaves_one_effect(cluster: Cluster) -> None:
    delivery = enqueue(receivers.atomic_work, seconds=1.5)
    wait_until(lambda: Delivery.objects.get().state == State.RUNNING, "the start of the receiver")
    delivery.refresh_from_db()
    os.kill(worker_of(delivery), signal.SIGKILL)
    wait_for_end([delivery], seconds=60)
    assert (delivery.state, delivery.attempts, outcomes(delivery)) == (State.SUCCESSFUL, 2, [Outcome.LOST])
    assert [(e.label, e.attempt) for e in Effect.objects.all()] == [("atomic", 2)]


def test_a_slow_receiver_keeps_its_lease_and_what_waits_behind_it_is_run_by_another_worker(cluster: Cluster) -> None:
    quick = [enqueue(receivers.nothing) for _ in range(60)]  # claims grow
    slow = enqueue(receivers.long_work, seconds=4)
    behind = [enqueue(receivers.work) for _ in range(15)]
    wait_for_end([*quick, *behind])
    slow.refresh_from_db()
    assert slow.state == State.RUNNING
    assert {(d.state, d.attempts) for d in behind} == {(State.SUCCESSFUL, 1)}

    def lease() -> timedelta:
        slow.refresh_from_db()
        assert slow.started_at is not None
        assert slow.lease_until is not None
        return slow.lease_until - slow.started_at

    wait_until(lambda: lease() > timedelta(seconds=conf.lease), "the renewal of the lease")
    wait_for_end([slow])
    assert (slow.state, slow.attempts) == (State.SUCCESSFUL, 1)


def test_the_cluster_shows_itself_without_a_shared_cache(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    wait_until(lambda: Stat.get_all(), "a statistic")
    (stat,) = Stat.get_all()
    assert {stat.pid, stat.sentinel, stat.pusher, stat.monitor, *stat.workers} <= set(cluster.family())
    assert len(stat.workers) == 2
    call_command("qinfo")
    assert "Clusters1Workers2" in capsys.readouterr().out.replace(" ", "")
