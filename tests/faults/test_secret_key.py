"""A new SECRET_KEY while work waits: nothing of a delivery is signed, so nothing is lost."""

from pathlib import Path
from typing import Any

import pytest
from django_q.models import OrmQ
from django_q.status import Stat
from django_q.tasks import async_task

from tests.cluster import Cluster, wait_for_end, wait_until
from tests.faults.conftest import Holds, size
from tests.faults.receivers.effects import effect
from tests.testapp.receivers import enqueue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


@pytest.mark.fault(19, "SECRET_KEY changed with work waiting")
def test_a_new_secret_key_loses_no_delivery(invariant: Holds, tmp_path: Path, record_property: Any) -> None:
    number = size(20, 500)
    waiting = [enqueue(effect) for _ in range(number)]
    async_task("math.gcd", 4, 6)  # Django-Q signs its own, and deletes what it cannot read
    with Cluster(tmp_path / "log", SECRET_KEY="another key") as cluster:
        fresh = [enqueue(effect) for _ in range(number)]
        wait_for_end([*waiting, *fresh], seconds=size(30, 120))
        wait_until(lambda: not OrmQ.objects.exists(), "the end of the plain task")
        assert Stat.get_all() == []  # those of that cluster are signed with the other key, and no error
        assert cluster.stop() == 0
        cut_off = [enqueue(effect) for _ in range(number)]
        cluster.environment["SECRET_KEY"] = "a third key"
        cluster.start()
        wait_for_end(cut_off, seconds=size(30, 120))
    ledger = invariant()
    record_property("deliveries", 3 * number)
    assert (ledger["states"], ledger["attempts"]) == ({"SUCCESSFUL": 3 * number}, 3 * number)
