"""Objects that are not where a payload says they are: what becomes of the delivery is what ``missing`` says, aloud."""

from typing import Any

import pytest
from django.db import transaction
from django.db.models import Value
from django.db.models.functions import Replace

from signals_app.models import Delivery, Outcome, State
from tests.cluster import Cluster, wait_for_end, wait_until
from tests.faults.conftest import Holds, size
from tests.faults.receivers.references import may_do_without, needs
from tests.testapp.models import Effect, Thing
from tests.testapp.receivers import enqueue

pytestmark = [pytest.mark.django_db(transaction=True, databases=["default", "other"]), pytest.mark.database]
MISSING, MALFORMED = "signals_app.exceptions.MissingObject", "signals_app.exceptions.PayloadError"


def said(delivery: Delivery) -> set[tuple[str, str, str]]:
    """Return how the attempts of a delivery ended, and the class and begin of each message."""
    ends = delivery.failed_attempts.values_list("outcome", "error_class", "message")
    return {(outcome, error, message.partition(",")[0]) for outcome, error, message in ends}


@pytest.mark.fault(21, "model instances deleted while work waits")
def test_a_deleted_object_is_an_error_or_a_reason_to_cancel(
    invariant: Holds, cluster: Cluster, record_property: Any
) -> None:
    lamp = Thing.objects.create(name="lamp")
    where = f"thing was testapp.Thing with primary key {lamp.pk} in the database 'default'"
    with transaction.atomic():  # no worker is to be quicker than the deletion
        failing = [enqueue(needs, thing=lamp) for _ in range(size(1, 50))]
        skipping = [enqueue(may_do_without, thing=lamp) for _ in range(size(1, 50))]
        kept = enqueue(needs, thing=Thing.objects.create(name="chair"))
        lamp.delete()
    wait_for_end([*failing, *skipping, kept], seconds=size(30, 120))
    invariant()
    record_property("deliveries", len(failing) + len(skipping))
    for one in failing:
        assert (one.state, one.attempts, said(one)) == (State.FAILED, 12, {(Outcome.ERROR, MISSING, where)})
    for one in skipping:
        assert (one.state, one.attempts, said(one)) == (State.CANCELLED, 1, {(Outcome.SKIPPED, MISSING, where)})
    assert list(Effect.objects.values_list("label", flat=True)) == ["chair"]


@pytest.mark.fault(21, "a model instance not yet visible on a replica")
def test_an_object_that_a_replica_does_not_have_yet_is_waited_for_where_it_is_needed(
    invariant: Holds, cluster: Cluster
) -> None:
    lamp = Thing.objects.using("other").create(name="lamp")
    seen = Thing.objects.using("other").get()
    lamp.delete(using="other")
    waits, skips = enqueue(needs, thing=seen), enqueue(may_do_without, thing=seen)
    wait_until(lambda: waits.failed_attempts.exists() and skips.failed_attempts.exists(), "the first attempts")
    seen.save(using="other", force_insert=True)
    wait_for_end([waits, skips])
    invariant()
    where = f"thing was testapp.Thing with primary key {seen.pk} in the database 'other'"
    assert (waits.state, said(waits)) == (State.SUCCESSFUL, {(Outcome.ERROR, MISSING, where)})
    assert (skips.state, said(skips)) == (State.CANCELLED, {(Outcome.SKIPPED, MISSING, where)})


@pytest.mark.fault(21, "a model class renamed while work waits")
def test_a_renamed_class_is_an_error_whatever_missing_says(invariant: Holds, cluster: Cluster) -> None:
    lamp = Thing.objects.create(name="lamp")
    with transaction.atomic():
        deliveries = [enqueue(one, thing=lamp) for one in (needs, may_do_without)]
        renamed = Replace("payload", Value("testapp.Thing"), Value("testapp.Renamed"))
        assert Delivery.objects.update(payload=renamed) == 2
    wait_for_end(deliveries)
    invariant()
    where = (
        "The payload is malformed: thing names a model that is not here: App 'testapp' doesn't have a 'Renamed' model."
    )
    for one in deliveries:
        assert (one.state, one.attempts) == (State.FAILED, one.max_attempts)
        assert said(one) == {(Outcome.ERROR, MALFORMED, where)}
