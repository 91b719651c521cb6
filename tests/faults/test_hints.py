"""What Django-Q keeps, and what it passes on, may vanish or come twice: deliveries do not live there."""

import re
from typing import Any

import pytest
from django.apps import apps
from django.db import transaction
from django_q.tasks import async_task, schedule

from signals_app.models import FINAL_STATES, Delivery
from tests.cluster import Cluster, wait_until
from tests.faults.conftest import Holds, size
from tests.faults.receivers.effects import effect
from tests.testapp.receivers import enqueue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]
CLUSTER = {"TEST_Q_CLUSTER": '{"broker_class": "tests.faults.brokers.StrayingHints"}'}


def empty_django_q() -> int:
    """Delete every row of Django-Q's tables; return how many there were."""
    return sum(model._default_manager.all().delete()[0] for model in apps.get_app_config("django_q").get_models())


@pytest.mark.short("sqlite")
@pytest.mark.fault(17, "Django-Q's tables emptied again and again, every hint doubled, shuffled or late")
def test_rows_and_hints_of_django_q_may_vanish_or_double(
    invariant: Holds, cluster: Cluster, record_property: Any
) -> None:
    deliveries, emptied = size(150, 3_000), 0
    before = len(re.findall("gave", cluster.log.read_text()))
    with transaction.atomic():
        for _ in range(deliveries):
            enqueue(effect, after=0.002)
        schedule("math.gcd", 4, 6, name="vanishes")
        async_task("math.gcd", 4, 6)
    emptied += empty_django_q()
    while Delivery.objects.exclude(state__in=FINAL_STATES).exists():
        async_task("math.gcd", 4, 6)
        emptied += empty_django_q()
    ledger = invariant()
    given = [int(number) for number in re.findall(r"gave (\d+) hints", cluster.log.read_text())][before:]
    record_property("deliveries", deliveries)
    record_property("rows deleted", emptied)
    record_property("hints and tasks given out", sum(given))
    assert (ledger["states"], ledger["attempts"]) == ({"SUCCESSFUL": deliveries}, deliveries)
    assert emptied > 2
    assert sum(given) > 2
    late = enqueue(effect)
    wait_until(lambda: not Delivery.objects.exclude(state__in=FINAL_STATES).exists(), f"the end of {late}")
    invariant()
