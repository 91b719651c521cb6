"""What clusters say of themselves, kept in the database so that every host sees every cluster.

By hand and not by the ORM, so that the clock is the database's: whoever reads is seldom on the host that wrote.
"""

from __future__ import annotations

from dataclasses import dataclass

from signals_app.ledger.damage import readable, seconds
from signals_app.ledger.sql import rows, write

_TABLE = "signals_app_clusterstat"
_KEEP = (
    f"INSERT INTO {_TABLE} (key, queue, host, package, seen_at, expires_at) "
    "VALUES (%(key)s, %(queue)s, %(host)s, %(package)s, {now}, {later}) ON CONFLICT (key) DO UPDATE SET "
    "queue = excluded.queue, host = excluded.host, package = excluded.package, "
    "seen_at = excluded.seen_at, expires_at = excluded.expires_at"
)
_READ = f"SELECT package FROM {_TABLE} WHERE key = %(key)s AND expires_at > {{now}}"
_READ_ALL = (
    f"SELECT package FROM {_TABLE} WHERE substr(key, 1, %(length)s) = %(prefix)s AND expires_at > {{now}} "
    "ORDER BY queue, key"
)
_FORGET = f"DELETE FROM {_TABLE} WHERE expires_at < {{earlier}}"
_CLUSTERS = (
    f"SELECT queue, host, package, {readable('seen_at')}, {{now}}, expires_at > {{now}} "
    f"FROM {_TABLE} ORDER BY queue, host, key"
)

FORGOTTEN_AFTER = 3600.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSeen:
    """A cluster that was last seen ``age`` seconds ago, by the database's clock."""

    queue: str
    host: str
    package: str  # Django-Q's own signed one
    age: float
    is_alive: bool


def keep_stat(key: str, package: str, *, queue: str, host: str, seconds: float) -> None:
    """Keep a cluster's latest statistic for ``seconds``."""
    write(_KEEP, key=key, package=package, queue=queue, host=host, delay=seconds)


def read_stat(key: str) -> str | None:
    """Return a cluster's statistic, or None when it has expired."""
    return next((package for (package,) in rows(_READ, key=key)), None)


def read_stats(prefix: str) -> list[str]:
    """Return the statistics of all living clusters whose key starts with a prefix."""
    return [package for (package,) in rows(_READ_ALL, prefix=prefix, length=len(prefix))]


def clusters() -> list[ClusterSeen]:
    """Return every cluster that was recently seen, by queue and host; some may be gone since."""
    return [
        ClusterSeen(
            queue=queue, host=host, package=package, age=max(0, seconds(seen_at, now) or 0), is_alive=bool(alive)
        )
        for queue, host, package, seen_at, now, alive in rows(_CLUSTERS)
    ]


def forget_old_stats() -> None:
    """Delete the statistics that expired an hour ago."""
    write(_FORGET, ago=FORGOTTEN_AFTER)
