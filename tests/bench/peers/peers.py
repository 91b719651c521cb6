"""Who is compared, on what, and how each is set up: as its own documentation recommends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

WORKERS = 2
SIDES = "tests.bench.peers.sides"

Settings = Callable[[str], dict[str, Any]]  # of the URL of what keeps the queue


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A queue: the packages that it is, where it keeps its work, and what starts its workers."""

    name: str
    title: str
    side: str
    packages: tuple[str, ...]
    store: str  # "sqlite", "postgresql" or "redis"
    workers: list[list[str]]  # arguments of ``python -m``
    settings: Settings
    how: str  # what a reader should know of its setup
    record: str  # what it keeps of work that has run, by its documentation
    apps: tuple[str, ...] = field(default=())


def _ours(url: str) -> dict[str, Any]:
    return {
        "Q_CLUSTER": {
            "name": "peers",
            "orm": "default",
            "broker_class": "signals_app.cluster.broker.DeliveryBroker",
            "workers": WORKERS,
            "queue_limit": WORKERS,
            "timeout": 60,
            "retry": 90,
        }
    }


def _django_q(**options: Any) -> Settings:
    return lambda url: {
        "Q_CLUSTER": {
            "name": "peers",
            "orm": "default",
            "workers": WORKERS,
            "timeout": 60,
            "retry": 90,
            "max_attempts": 5,
            **options,
        }
    }


def _huey(url: str) -> dict[str, Any]:
    shared = {"name": "peers", "consumer": {"workers": WORKERS, "worker_type": "process"}}
    if url.startswith("redis"):
        return {"HUEY": {"huey_class": "huey.RedisHuey", "url": url, **shared}}
    file = urlsplit(url).path.replace("bench.sqlite3", "huey.sqlite3")
    return {"HUEY": {"huey_class": "huey.SqliteHuey", "filename": file, **shared}}


def _rq(url: str) -> dict[str, Any]:
    return {"RQ_QUEUES": {"default": {"URL": url}}}


def _celery(url: str) -> dict[str, Any]:
    return {"CELERY_BROKER_URL": url}


def _dramatiq(url: str) -> dict[str, Any]:
    middleware = ["AgeLimit", "TimeLimit", "Callbacks", "Retries"]
    return {
        "DRAMATIQ_BROKER": {
            "BROKER": "dramatiq.brokers.redis.RedisBroker",
            "OPTIONS": {"url": url},
            "MIDDLEWARE": [
                *(f"dramatiq.middleware.{name}" for name in middleware),
                "django_dramatiq.middleware.DbConnectionsMiddleware",
            ],
        },
        "DRAMATIQ_AUTODISCOVER_MODULES": ["sides.dramatiq"],
    }


def _django_tasks(url: str) -> dict[str, Any]:
    return {"TASKS": {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}}


def _django(*arguments: str) -> list[str]:
    return ["django", *arguments]


def _on(*stores: str, **what: Any) -> list[Peer]:
    """Return a queue once for each of the stores that it can be on."""
    return [Peer(store=store, **what) for store in stores]


_ALL = [
    *_on(
        *("sqlite", "postgresql"),
        name="ours",
        title="signals_app",
        side="ours",
        packages=("signals-app", "django-q2"),
        apps=("signals_app", "django_q"),
        workers=[_django("qcluster")],
        settings=_ours,
        how="the receiver takes the order itself",
        record="every delivery and attempt",
    ),
    *_on(
        *("sqlite", "postgresql"),
        name="django-q2",
        title="django-q2, defaults",
        side="django_q",
        packages=("django-q2",),
        apps=("django_q",),
        workers=[_django("qcluster")],
        settings=_django_q(),
        how="",
        record="the last 250 successes",
    ),
    *_on(
        *("sqlite", "postgresql"),
        name="django-q2-tuned",
        title="django-q2, tuned",
        side="django_q",
        packages=("django-q2",),
        apps=("django_q",),
        workers=[_django("qcluster")],
        settings=_django_q(bulk=50, save_limit=-1, poll=0.02),
        how="bulk=50, save_limit=-1, poll=0.02",
        record="failures",
    ),
    *_on(
        *("sqlite", "redis"),
        name="huey",
        title="huey",
        side="huey",
        packages=("huey",),
        apps=("huey.contrib.djhuey",),
        workers=[_django("run_huey")],
        settings=_huey,
        how="worker processes",
        record="results, where tasks return one",
    ),
    *_on(
        "redis",
        name="rq",
        title="rq",
        side="rq",
        packages=("rq", "django-rq"),
        apps=("django_rq",),
        workers=[_django("rqworker-pool", "default", "--num-workers", str(WORKERS))],
        settings=_rq,
        how="by django-rq, a fork for each job",
        record="successes for 500 s, failures for a year",
    ),
    *_on(
        "redis",
        name="celery",
        title="celery",
        side="celery",
        packages=("celery",),
        workers=[["celery", "-A", f"{SIDES}.celery", "worker", "--concurrency", str(WORKERS), "-l", "WARNING"]],
        settings=_celery,
        how="prefork, no result backend, early acknowledgement (the default)",
        record="none without a result backend",
    ),
    *_on(
        "redis",
        name="dramatiq",
        title="dramatiq",
        side="dramatiq",
        packages=("dramatiq", "django-dramatiq"),
        apps=("django_dramatiq",),
        workers=[_django("rundramatiq", "--processes", str(WORKERS), "--threads", "1")],
        settings=_dramatiq,
        how="by django-dramatiq, one thread in each process",
        record="none without a result backend",
    ),
    *_on(
        "postgresql",
        name="procrastinate",
        title="procrastinate",
        side="procrastinate",
        packages=("procrastinate",),
        apps=("procrastinate.contrib.django",),
        workers=[_django("procrastinate", "worker", "--concurrency", str(WORKERS))],
        settings=lambda url: {"PROCRASTINATE_ON_APP_READY": f"{SIDES}.procrastinate.register"},
        how="two jobs at once in one worker",
        record="every job, until it is purged",
    ),
    *_on(
        *("sqlite", "postgresql"),
        name="django-tasks",
        title="Django Tasks, database backend",
        side="django_tasks",
        packages=("django-tasks-db",),
        apps=("django_tasks_db",),
        workers=[_django("db_worker", "--interval", "0.2", "--no-reload")] * WORKERS,
        settings=_django_tasks,
        how="two workers, --interval 0.2 (1 s is the default)",
        record="every result, until it is pruned",
    ),
]
PEERS = {f"{peer.name}-{peer.store}": peer for peer in _ALL}
