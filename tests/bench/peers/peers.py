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
            "poll": 0.2,
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


def _huey_sqlite(url: str) -> dict[str, Any]:
    consumer = {"workers": WORKERS, "worker_type": "process"}
    file = urlsplit(url).path.replace("bench.sqlite3", "huey.sqlite3")
    return {"HUEY": {"huey_class": "huey.SqliteHuey", "name": "peers", "filename": file, "consumer": consumer}}


def _huey_redis(url: str) -> dict[str, Any]:
    consumer = {"workers": WORKERS, "worker_type": "process"}
    return {"HUEY": {"huey_class": "huey.RedisHuey", "name": "peers", "url": url, "consumer": consumer}}


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


PEERS = {
    f"{name}-{peer.store}": peer
    for name, peer in [
        *(
            (
                "ours",
                Peer(
                    title="signals_app",
                    side="ours",
                    packages=("signals-app", "django-q2"),
                    store=store,
                    apps=("signals_app", "django_q"),
                    workers=[_django("qcluster")],
                    settings=_ours,
                    how="the receiver takes the order itself",
                    record="every delivery and attempt",
                ),
            )
            for store in ("sqlite", "postgresql")
        ),
        *(
            (
                name,
                Peer(
                    title=f"django-q2, {words}",
                    side="django_q",
                    packages=("django-q2",),
                    store=store,
                    apps=("django_q",),
                    workers=[_django("qcluster")],
                    settings=_django_q(**options),
                    how=how,
                    record=record,
                ),
            )
            for store in ("sqlite", "postgresql")
            for name, words, options, how, record in [
                ("django-q2", "defaults", {}, "", "the last 250 successes"),
                (
                    "django-q2-tuned",
                    "tuned",
                    {"bulk": 50, "save_limit": -1, "poll": 0.02},
                    "bulk=50, save_limit=-1, poll=0.02",
                    "failures",
                ),
            ]
        ),
        *(
            (
                "huey",
                Peer(
                    title="huey",
                    side="huey",
                    packages=("huey",),
                    store=store,
                    apps=("huey.contrib.djhuey",),
                    workers=[_django("run_huey")],
                    settings=settings,
                    how="worker processes",
                    record="results, where tasks return one",
                ),
            )
            for store, settings in [("sqlite", _huey_sqlite), ("redis", _huey_redis)]
        ),
        (
            "rq",
            Peer(
                title="rq",
                side="rq",
                packages=("rq", "django-rq"),
                store="redis",
                apps=("django_rq",),
                workers=[_django("rqworker-pool", "default", "--num-workers", str(WORKERS))],
                settings=_rq,
                how="by django-rq, a fork for each job",
                record="successes for 500 s, failures for a year",
            ),
        ),
        (
            "celery",
            Peer(
                title="celery",
                side="celery",
                packages=("celery",),
                store="redis",
                workers=[["celery", "-A", f"{SIDES}.celery", "worker", "--concurrency", str(WORKERS), "-l", "WARNING"]],
                settings=_celery,
                how="prefork, no result backend, early acknowledgement (the default)",
                record="none without a result backend",
            ),
        ),
        (
            "dramatiq",
            Peer(
                title="dramatiq",
                side="dramatiq",
                packages=("dramatiq", "django-dramatiq"),
                store="redis",
                apps=("django_dramatiq",),
                workers=[_django("rundramatiq", "--processes", str(WORKERS), "--threads", "1")],
                settings=_dramatiq,
                how="by django-dramatiq, one thread in each process",
                record="none without a result backend",
            ),
        ),
        (
            "procrastinate",
            Peer(
                title="procrastinate",
                side="procrastinate",
                packages=("procrastinate",),
                store="postgresql",
                apps=("procrastinate.contrib.django",),
                workers=[_django("procrastinate", "worker", "--concurrency", str(WORKERS))],
                settings=lambda url: {"PROCRASTINATE_ON_APP_READY": f"{SIDES}.procrastinate.register"},
                how="two jobs at once in one worker",
                record="every job, until it is purged",
            ),
        ),
        *(
            (
                "django-tasks",
                Peer(
                    title="Django Tasks, database backend",
                    side="django_tasks",
                    packages=("django-tasks-db",),
                    store=store,
                    apps=("django_tasks_db",),
                    workers=[_django("db_worker", "--interval", "0.2", "--no-reload")] * WORKERS,
                    settings=_django_tasks,
                    how="two workers, --interval 0.2 (1 s is the default)",
                    record="every result, until it is pruned",
                ),
            )
            for store in ("sqlite", "postgresql")
        ),
    ]
}
