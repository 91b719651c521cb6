"""What changes while work waits: its receiver, its object, the SECRET_KEY. Nothing is lost, and it shows."""

import pytest
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Value
from django.db.models.functions import Replace
from django.test import Client
from django_q.models import OrmQ
from django_q.status import Stat
from django_q.tasks import async_task

from signals_app import ledger
from signals_app.models import Attempt, Delivery, Outcome, State
from tests.cluster import Cluster, wait_for_end, wait_until
from tests.faults.harness import FULL, Fault, enqueue_many, run_one, signals_app, size
from tests.faults.receivers import NEW, may_do_without, moving, needs
from tests.testapp.models import Effect, Thing
from tests.testapp.receivers import enqueue

pytestmark = [pytest.mark.django_db(transaction=True, databases=["default", "other"]), pytest.mark.database]

# how long a cluster waits until it looks again for a receiver; to look for those of hundreds takes a while
OFTEN = signals_app(UNROUTABLE_DELAY=2 if FULL else 0.5)
MISSING, MALFORMED = "signals_app.exceptions.MissingObject", "signals_app.exceptions.PayloadError"


def enqueue_moving() -> list[Delivery]:
    assert moving is not None
    return enqueue_many(size(5, 200), moving)


def wait_until_unroutable(deliveries: list[Delivery]) -> None:
    """Wait until no worker knew them, that shows, and nothing is charged."""
    # one that a worker looks at just now, in vain, is RUNNING and counts an attempt that it gives back
    there = Delivery.objects.filter(id__in=[one.id for one in deliveries])
    uncharged = (State.READY, True, 0)
    wait_until(lambda: set(there.values_list("state", "unroutable", "attempts")) == {uncharged}, "what shows")
    staff = Client()
    staff.force_login(get_user_model().objects.create_superuser("boss"))

    def in_the_admin() -> int:
        return int(staff.get("/admin/signals_app/delivery/", {"unroutable": "1"}).context["cl"].result_count)

    wait_until(lambda: in_the_admin() == len(deliveries), "the same in the admin")
    assert not Attempt.objects.exists()


@pytest.mark.fault(20, "a receiver removed while work waits, and restored")
def test_work_of_a_removed_receiver_waits_in_view_and_runs_once_it_is_back(fault: Fault) -> None:
    deliveries = enqueue_moving()
    with fault.cluster(FAULT_RECEIVER="removed", **OFTEN) as cluster:
        run_one()
        wait_until_unroutable(deliveries)
        assert f"{deliveries[0].id} (" in cluster.log.read_text()
        cluster.stop()
        del cluster.environment["FAULT_RECEIVER"]
        cluster.start()
        wait_for_end(deliveries)
    asked = fault.invariant()
    fault.note(deliveries=len(deliveries))
    assert (asked["states"], asked["failed_attempts"]) == ({"SUCCESSFUL": len(deliveries) + 1}, {})


@pytest.mark.fault(20, "a receiver renamed while work waits, and the work given to it")
def test_work_of_a_renamed_receiver_can_be_given_to_the_new_one(fault: Fault) -> None:
    deliveries = enqueue_moving()
    given: set[int] = set()

    def are_all_given() -> bool:
        # one that a worker looks at just now, in vain, is RUNNING and stays as it is
        given.update(ledger.reassign([one.id for one in deliveries if one.id not in given], receiver=NEW))
        return len(given) == len(deliveries)

    with fault.cluster(FAULT_RECEIVER="renamed", **OFTEN):
        wait_until_unroutable(deliveries)
        wait_until(are_all_given, "every delivery given to the new receiver")
        wait_for_end(deliveries)
    asked = fault.invariant()
    fault.note(deliveries=len(deliveries))
    assert {one.receiver for one in deliveries} == {NEW}
    assert (asked["states"], asked["failed_attempts"]) == ({"SUCCESSFUL": len(deliveries)}, {})


@pytest.mark.fault(19, "SECRET_KEY changed with work waiting")
def test_a_new_secret_key_loses_no_delivery(fault: Fault) -> None:
    number = size(20, 500)
    waiting = enqueue_many(number)
    async_task("math.gcd", 4, 6)  # Django-Q signs its own, and deletes what it cannot read
    with fault.cluster(SECRET_KEY="another key") as cluster:
        wait_for_end([*waiting, *enqueue_many(number)], seconds=size(30, 120))
        wait_until(lambda: not OrmQ.objects.exists(), "the end of the plain task")
        assert Stat.get_all() == []  # those of that cluster are signed with the other key, and no error
        assert cluster.stop() == 0
        cut_off = enqueue_many(number)
        cluster.environment["SECRET_KEY"] = "a third key"
        cluster.start()
        wait_for_end(cut_off, seconds=size(30, 120))
    asked = fault.invariant()
    fault.note(deliveries=3 * number)
    assert (asked["states"], asked["attempts"]) == ({"SUCCESSFUL": 3 * number}, 3 * number)


def said(delivery: Delivery) -> set[tuple[str, str, str]]:
    """Return how the attempts of a delivery ended, and the class and begin of each message."""
    ends = delivery.failed_attempts.values_list("outcome", "error_class", "message")
    return {(outcome, error, message.partition(",")[0]) for outcome, error, message in ends}


def place(thing: Thing, alias: str) -> str:
    return f"thing refers to testapp.Thing with primary key {thing.pk} in the database '{alias}'"


@pytest.mark.fault(21, "model instances deleted while work waits")
def test_a_deleted_object_is_an_error_or_a_reason_to_cancel(fault: Fault, cluster: Cluster) -> None:
    lamp = Thing.objects.create(name="lamp")
    where = place(lamp, "default")
    with transaction.atomic():  # no worker is to be quicker than the deletion
        failing = enqueue_many(size(1, 50), needs, thing=lamp)
        skipping = enqueue_many(size(1, 50), may_do_without, thing=lamp)
        kept = enqueue(needs, thing=Thing.objects.create(name="chair"))
        lamp.delete()
    wait_for_end([*failing, *skipping, kept], seconds=size(30, 120))
    fault.invariant()
    fault.note(deliveries=len(failing) + len(skipping))
    for one in failing:
        assert (one.state, one.attempts, said(one)) == (State.FAILED, 12, {(Outcome.ERROR, MISSING, where)})
    for one in skipping:
        assert (one.state, one.attempts, said(one)) == (State.CANCELLED, 1, {(Outcome.SKIPPED, MISSING, where)})
    assert list(Effect.objects.values_list("label", flat=True)) == ["chair"]


@pytest.mark.fault(21, "a model instance not yet visible on a replica")
def test_an_object_that_a_replica_does_not_have_yet_is_waited_for_where_it_is_needed(
    fault: Fault, cluster: Cluster
) -> None:
    lamp = Thing.objects.using("other").create(name="lamp")
    seen = Thing.objects.using("other").get()
    lamp.delete(using="other")
    waits, skips = enqueue(needs, thing=seen), enqueue(may_do_without, thing=seen)
    wait_until(lambda: waits.failed_attempts.exists() and skips.failed_attempts.exists(), "the first attempts")
    seen.save(using="other", force_insert=True)
    wait_for_end([waits, skips])
    fault.invariant()
    where = place(seen, "other")
    assert (waits.state, said(waits)) == (State.SUCCESSFUL, {(Outcome.ERROR, MISSING, where)})
    assert (skips.state, said(skips)) == (State.CANCELLED, {(Outcome.SKIPPED, MISSING, where)})


@pytest.mark.fault(21, "a model class renamed while work waits")
def test_a_renamed_class_is_an_error_whatever_missing_says(fault: Fault, cluster: Cluster) -> None:
    lamp = Thing.objects.create(name="lamp")
    with transaction.atomic():
        deliveries = [enqueue(one, thing=lamp) for one in (needs, may_do_without)]
        renamed = Replace("payload", Value("testapp.Thing"), Value("testapp.Renamed"))
        assert Delivery.objects.update(payload=renamed) == 2
    wait_for_end(deliveries)
    fault.invariant()
    why = (
        "The payload is malformed: thing names a model that is not here: App 'testapp' doesn't have a 'Renamed' model."
    )
    for one in deliveries:
        assert (one.state, one.attempts) == (State.FAILED, one.max_attempts)
        assert said(one) == {(Outcome.ERROR, MALFORMED, why)}
