"""What Django-Q keeps, and what it passes on, may vanish or come twice: deliveries do not live there."""

import re

import pytest
from django.apps import apps
from django.db import transaction
from django_q.tasks import async_task, schedule

from tests.cluster import Cluster, is_all_done
from tests.faults.harness import Fault, enqueue_many, run_one, size

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]
CLUSTER = {"TEST_Q_CLUSTER": '{"broker_class": "tests.faults.sabotage.StrayingHints"}'}


def empty_django_q() -> int:
    """Delete every row of Django-Q's tables; return how many there were."""
    return sum(model._default_manager.all().delete()[0] for model in apps.get_app_config("django_q").get_models())


@pytest.mark.short("sqlite")
@pytest.mark.fault(17, "Django-Q's tables emptied again and again, every hint doubled, shuffled or late")
def test_rows_and_hints_of_django_q_may_vanish_or_double(fault: Fault, cluster: Cluster) -> None:
    deliveries = size(150, 3_000)
    with transaction.atomic():
        enqueue_many(deliveries, after=0.002)
        schedule("math.gcd", 4, 6, name="vanishes")
        async_task("math.gcd", 4, 6)
    emptied = empty_django_q()
    while not is_all_done():
        async_task("math.gcd", 4, 6)
        emptied += empty_django_q()
    ledger = fault.invariant()
    given = sum(map(int, re.findall(r"gave (\d+) hints", cluster.log.read_text())))
    fault.note(deliveries=deliveries, rows_deleted=emptied, hints_and_tasks_given_out=given)
    assert (ledger["states"], ledger["attempts"]) == ({"SUCCESSFUL": deliveries}, deliveries)
    assert emptied > 2
    assert given > 2
    run_one()
    fault.invariant()
