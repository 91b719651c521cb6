"""A steady rate for a long while, with workers that are replaced all the time: nothing grows but the record."""

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.db import connection
from django_q.tasks import async_task

from tests.cluster import ROLES, Cluster, wait_for_all
from tests.faults.harness import FULL, Fault
from tests.faults.receivers import effect, fails_at_first
from tests.testapp.receivers import enqueue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

MINUTES = float(os.environ.get("SOAK_MINUTES", "20")) if FULL else 0.06
RATE = 20  # deliveries per second
DELIVERIES = round(MINUTES * 60 * RATE)  # on a machine that cannot keep the rate they take longer
SAVED = 50  # of Django-Q's own tasks, results
RECYCLE = 20 if FULL else 8  # tasks until a worker is replaced; a slow machine gives few hints in some seconds
# what a process may grow in half of the time: in some seconds it only warms up
KIB, FILES, CONNECTIONS = (2_048, 4, 4) if FULL else (8_192, 24, 4)
LEDGER = {"signals_app_delivery", "signals_app_attempt", "testapp_effect"}  # what grows with every delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class Upkeep:
    """One look at what a cluster costs; memory, in KiB, and files are those of a role's largest process."""

    memory: dict[str, int]
    files: dict[str, int]
    connections: int
    rows: dict[str, int]


@pytest.mark.fault(25, "a soak")
def test_a_steady_rate_makes_nothing_grow_but_the_record(fault: Fault) -> None:
    with fault.cluster(TEST_Q_CLUSTER=f'{{"recycle": {RECYCLE}, "save_limit": {SAVED}}}') as cluster:
        looks = soak(cluster)
        wait_for_all()
        family = cluster.family()
        recycled = cluster.log.read_text().count("recycled worker")
    ledger = fault.invariant(family=family)
    grown = {role: growth([look.memory[role] for look in looks if role in look.memory]) for role in looks[-1].memory}
    fault.note(minutes=MINUTES, deliveries=DELIVERIES, workers_recycled=recycled)
    fault.note(KiB_the_process_grew_that_grew_most=max(grown.values()))
    fault.note(connections_at_most=max(look.connections for look in looks))
    assert ledger["states"] == {"SUCCESSFUL": DELIVERIES}
    assert recycled > 0
    assert max(grown.values()) < KIB, grown
    for role in looks[-1].files:
        assert growth([look.files[role] for look in looks if role in look.files]) <= FILES, role
    assert growth([look.connections for look in looks]) <= CONNECTIONS
    for table in looks[-1].rows:
        bound = SAVED + 1 if table == "django_q_task" else looks[0].rows[table] + 10
        assert max(look.rows[table] for look in looks) <= bound, table


def soak(cluster: Cluster) -> list[Upkeep]:
    began = time.monotonic()
    looks: list[Upkeep] = []
    for sent in range(DELIVERIES):
        enqueue(fails_at_first if sent % 10 == 0 else effect)
        if sent % RATE == 0:
            async_task("math.sqrt", sent)
        if sent >= len(looks) * DELIVERIES / 40:
            looks.append(upkeep(cluster))
        time.sleep(max(0.0, began + (sent + 1) / RATE - time.monotonic()))
    return looks


def upkeep(cluster: Cluster) -> Upkeep:
    pids = {role: cluster.living(role) for role in [*ROLES, "main", "sentinel"]} | {"supervisor": [cluster.pid]}
    return Upkeep(
        memory={role: max(map(_memory, of)) for role, of in pids.items() if of},
        files={role: max(len(_files(pid)) for pid in of) for role, of in pids.items() if of},
        connections=_connections([pid for of in pids.values() for pid in of]),
        rows=_rows(),
    )


def growth(values: list[int]) -> int:
    """Return by how much the last quarter of a series exceeds its second one, which is past the warm-up."""
    quarter = max(1, len(values) // 4)
    return max(values[-quarter:]) - max(values[quarter : 2 * quarter])


def _memory(pid: int) -> int:
    with suppress(OSError, StopIteration):
        status = Path(f"/proc/{pid}/status").read_text().splitlines()
        return int(next(line for line in status if line.startswith("VmRSS")).split()[1])
    return 0


def _files(pid: int) -> list[str]:
    names = []
    with suppress(OSError):
        for entry in os.scandir(f"/proc/{pid}/fd"):
            with suppress(OSError):
                names.append(os.readlink(entry.path))
    return names


def _connections(pids: list[int]) -> int:
    """Return how many connections to the database are open: on SQLite, in these processes; else, on the server."""
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite":
        return sum(_files(pid).count(name) for pid in pids)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s", [name])
        return int(cursor.fetchone()[0])


def _rows() -> dict[str, int]:
    with connection.cursor() as cursor:
        counts = {}
        for table in set(connection.introspection.table_names(cursor)) - LEDGER:
            cursor.execute(f'SELECT count(*) FROM "{table}"')
            counts[table] = int(cursor.fetchone()[0])
    return counts
