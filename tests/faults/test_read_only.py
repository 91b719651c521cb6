"""A server that fails over, as clusters see it: every session they have, and get, is read-only until it is over."""

from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from signals_app.models import Attempt, State
from signals_app.monitoring.health import look
from tests.cluster import Cluster, wait_for_end, wait_until
from tests.faults.receivers.effects import effect
from tests.faults.server import Server
from tests.testapp.receivers import enqueue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database("postgresql")]

ALARM = "The queue sigdemo has no living cluster."
NEW_SESSIONS = 'ALTER DATABASE "{}" {} default_transaction_read_only'
OTHERS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}' AND pid <> {}"


@pytest.mark.fault(8, "a server that is read-only for a while")
def test_sessions_that_cannot_write_are_noticed_and_left(
    own_server: Server, tmp_path: Path, record_property: Any
) -> None:
    name = connection.settings_dict["NAME"]
    with connection.cursor() as cursor:
        own = cursor.execute("SELECT pg_backend_pid()").fetchone()[0]
    with Cluster(tmp_path / "log", TEST_SIGNALS_APP='{"STALL": 3}') as cluster:
        wait_for_end([enqueue(effect) for _ in range(5)])
        own_server.execute(NEW_SESSIONS.format(name, "SET") + " = on")
        own_server.execute(OTHERS.format(name, own))
        deliveries = [enqueue(effect) for _ in range(20)]
        wait_until(lambda: ALARM in look().problems(), "an alarm")
        wait_until(lambda: "has had every claim fail for" in cluster.log.read_text(), "an end of it", seconds=60)
        lines = cluster.log.read_text().count("read-only transaction")
        own_server.execute(NEW_SESSIONS.format(name, "RESET"))
        own_server.execute(OTHERS.format(name, own))
        wait_for_end(deliveries, seconds=60)
        wait_until(lambda: ALARM not in look().problems(), "a living cluster")
    record_property("log lines", lines)
    assert lines < 200
    assert {(one.state, one.attempts) for one in deliveries} == {(State.SUCCESSFUL, 1)}
    assert not Attempt.objects.exists()
