"""What a cluster costs to keep: memory and open files of its processes, connections, rows of tables."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from django.db import connection

from tests.cluster import Cluster
from tests.faults.victims import ROLES, living

LEDGER = {"signals_app_delivery", "signals_app_attempt", "testapp_effect"}  # what grows with every delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class Upkeep:
    """One look. ``memory`` is in KiB; for workers it is that of the largest."""

    memory: dict[str, int]
    files: dict[str, int]
    connections: int
    rows: dict[str, int]


def upkeep(cluster: Cluster) -> Upkeep:
    """Look at a cluster and its database."""
    pids = {role: living(cluster, role) for role in [*ROLES, "main", "sentinel"]} | {"supervisor": [cluster.pid]}
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
