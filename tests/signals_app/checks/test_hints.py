"""Hints are lines to be pasted at the end of the settings: after that, the check says nothing any more."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

import pytest
from django.core.checks import CheckMessage
from django.db import connections
from django.test import override_settings
from psycopg import IsolationLevel

from signals_app import checks
from signals_app.dispatcher import QueuedReceiver
from tests.signals_app.checks.said import paste

Check = Callable[[], Iterable[CheckMessage]]

TYPES = "django.contrib.contenttypes"
SLOW = {"timeout": 60, "retry": 90, "ALT_CLUSTERS": {"slow": {"timeout": 600}}}
SQLITE = "django.db.backends.sqlite3"
POSTGRESQL = "django.db.backends.postgresql"


@pytest.mark.parametrize(
    ("check", "settings"),
    [
        (checks.check_settings, {"SIGNALS_APP": ["MAX_ATTEMPTS", 5]}),
        (checks.check_settings, {"SIGNALS_APP": {"RETRIES": 5}}),
        (checks.check_settings, {"SIGNALS_APP": {"TIMEOUT": 0}}),
        (checks.check_settings, {"SIGNALS_APP": {"LEASE": 9, "HEARTBEAT": 5}}),
        (checks.check_immediate, {"SIGNALS_APP": {"IMMEDIATE": True}}),
        (checks.check_apps, {"TENANT_APPS": ["orders", "signals_app"]}),
        (checks.check_apps, {"INSTALLED_APPS": ["django_q", TYPES, "signals_app"], "Q_CLUSTER": {}}),
        (checks.check_broker, {"Q_CLUSTER": {"redis": {}}}),
        (checks.check_broker, {"Q_CLUSTER": {"ALT_CLUSTERS": {"mail": {"mongo": {}}}}}),
        (checks.check_task_database, {"Q_CLUSTER": {"ALT_CLUSTERS": {"mail": {"orm": "defualt"}}}}),
        (checks.check_alternatives, {"Q_CLUSTER": {"ALT_CLUSTERS": ["mail"]}}),
        (checks.check_alternatives, {"Q_CLUSTER": {"ALT_CLUSTERS": {"mail": 4}}}),
        (checks.check_timers, {"Q_CLUSTER": {"timeout": 60, "retry": 60}}),
        (checks.check_timers, {"Q_CLUSTER": {"timeout": "60", "retry": None}}),
        (checks.check_timers, {"Q_CLUSTER": SLOW}),
        (checks.check_timers, {"Q_CLUSTER": {"timeout": None}}),
        (checks.check_timers, {"Q_CLUSTER": {"timeout": 0, "retry": 40}}),
        (checks.check_timers, {"Q_CLUSTER": {"guard_cycle": 0.3}}),
    ],
)
def test_a_hint_mends_the_settings(check: Check, settings: dict[str, Any]) -> None:
    mended = deepcopy(settings)
    with override_settings(**settings):
        paste(check(), mended)
    with override_settings(**mended):
        assert [*check()] == []


def work(sender: object, **kwargs: Any) -> None: ...


@pytest.mark.parametrize("cluster", [None, {"name": "shop"}, {"name": "shop", "ALT_CLUSTERS": {"bulk": {}}}])
def test_a_hint_adds_a_cluster_whatever_the_settings_have(
    cluster: dict[str, Any] | None, made: Callable[..., QueuedReceiver]
) -> None:
    made(work, queue="mail")

    def check() -> list[CheckMessage]:
        return [message for message in checks.check_queues() if "'mail'" in message.msg]

    mended = {} if cluster is None else {"Q_CLUSTER": deepcopy(cluster)}
    with override_settings(Q_CLUSTER=cluster):
        paste(check(), mended)
    with override_settings(**mended):
        assert check() == []


@pytest.mark.parametrize(
    ("engine", "given", "site"),
    [
        (SQLITE, {"OPTIONS": {"transaction_mode": "DEFERRED"}}, {}),
        (SQLITE, {}, {"SIGNALS_APP": {"PREPARE_SQLITE": False}}),
        (SQLITE, {"TIME_ZONE": "Europe/Berlin"}, {}),
        (SQLITE, {}, {"USE_TZ": False, "TIME_ZONE": "Europe/Berlin"}),
        (POSTGRESQL, {"AUTOCOMMIT": False}, {}),
        (POSTGRESQL, {"OPTIONS": {"isolation_level": IsolationLevel.SERIALIZABLE}}, {}),
    ],
)
def test_a_hint_mends_the_database_that_it_names(
    engine: str, given: dict[str, Any], site: dict[str, Any], odd_database: dict[str, Any]
) -> None:
    odd_database |= {"ENGINE": engine, "OPTIONS": {}, **given}
    settings = {"DATABASES": connections.settings, **site}
    with override_settings(**site):
        paste(checks.check_database(), settings)
        del connections["odd"]  # it has read them
        with override_settings(**{name: value for name, value in settings.items() if name != "DATABASES"}):
            assert [*checks.check_database()] == []


def test_a_hint_puts_a_database_into_wal(odd_file: dict[str, Any]) -> None:
    odd_file["OPTIONS"]["init_command"] = "PRAGMA journal_mode=DELETE"
    paste(checks.check_journal(databases=["odd"]), {"DATABASES": connections.settings})
    connections["odd"].close()
    assert [*checks.check_journal(databases=["odd"])] == []
