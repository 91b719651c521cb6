"""What ``manage.py check`` says of wrong settings."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import override_settings

from signals_app.checks import check_cluster, check_database, check_settings

ROOT = Path(__file__).parent.parent.parent
LOCKED = "does not begin its transactions IMMEDIATE, so concurrent ones fail with 'database is locked'"


def said(messages: list[CheckMessage]) -> list[tuple[str, str, str | None]]:
    """Return id, message and hint of each; all are errors."""
    assert all(isinstance(message, Error) for message in messages)
    return [(str(message.id), message.msg, message.hint) for message in messages]


def run_check(directory: Path, faulty: str) -> subprocess.CompletedProcess[str]:
    """Run the real command with these lines after the tests' settings."""
    (directory / "faulty_settings.py").write_text(f"from tests.settings import *\n{faulty}\n")
    return subprocess.run(
        [sys.executable, "manage.py", "check", "--settings", "faulty_settings"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(directory)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_unknown_key_is_an_error_of_manage_py_check(tmp_path: Path) -> None:
    result = run_check(tmp_path, 'SIGNALS_APP = {"MAX_ATTEMPT": 3, "TIMEOUT": "long"}')

    assert result.returncode == 1
    assert "(signals_app.E002) SIGNALS_APP has an unknown key 'MAX_ATTEMPT'." in result.stderr
    assert "HINT: It takes ATOMIC, BACKOFF, BATCH, DELAY, DROP," in result.stderr
    assert "(signals_app.E003) SIGNALS_APP['TIMEOUT'] is 'long'." in result.stderr
    assert "HINT: It takes seconds, more than 0 and at most ten years." in result.stderr
    assert "System check identified 2 issues" in result.stderr


def test_the_tests_own_settings_are_right() -> None:
    assert [*check_settings(None), *check_cluster(None), *check_database(None)] == []


@override_settings(SIGNALS_APP={"RETRIES": 3})
def test_the_checks_belong_to_the_command() -> None:
    with pytest.raises(CommandError, match=r"SIGNALS_APP has an unknown key 'RETRIES'\."):
        call_command("check", tags=["signals_app"])


@pytest.mark.parametrize(("given", "kind"), [([], "list"), (None, "NoneType"), ("IMMEDIATE", "str")])
def test_a_setting_that_is_no_dict_says_what_to_write(given: Any, kind: str) -> None:
    with override_settings(SIGNALS_APP=given):
        assert said(check_settings(None)) == [
            ("signals_app.E001", f"SIGNALS_APP is a {kind}, not a dict.", 'Write SIGNALS_APP = {"MAX_ATTEMPTS": 5}.')
        ]


@override_settings(SIGNALS_APP={"max_attempts": 5, 7: 1})
def test_keys_are_upper_case_names() -> None:
    assert [message for _, message, _ in said(check_settings(None))] == [
        "SIGNALS_APP has an unknown key 'max_attempts'.",
        "SIGNALS_APP has an unknown key 7.",
    ]


@pytest.mark.parametrize(
    ("key", "value", "takes"),
    [
        ("QUEUE", "", "a cluster name"),
        ("PRIORITY", 10**6, "a whole number from -32768 to 32767; higher runs first"),
        ("MAX_ATTEMPTS", 0, "a whole number, 1 or more"),
        ("BACKOFF", 30, "a callable: attempts so far -> seconds"),
        ("TIMEOUT", None, "seconds, more than 0 and at most ten years"),
        ("DELAY", -1, "seconds, 0 to ten years"),
        ("WHEN", "always", "a callable or None"),
        ("DROP", "request", "a tuple of argument names"),
        ("SNAPSHOT", "instance", "a tuple of argument names"),
        ("MISSING", "ignore", '"fail" or "skip"'),
        ("ATOMIC", "yes", "True or False"),
        ("IMMEDIATE", 1, "True or False"),
        ("MAX_PAYLOAD", 0, "bytes of JSON, 1 or more"),
        ("BATCH", 0, "the most deliveries one claim takes, 1 or more"),
    ],
)
def test_a_wrong_value_says_what_the_key_takes(key: str, value: Any, takes: str) -> None:
    with override_settings(SIGNALS_APP={key: value}):
        assert said(check_settings(None)) == [
            ("signals_app.E003", f"SIGNALS_APP[{key!r}] is {value!r}.", f"It takes {takes}.")
        ]


@pytest.mark.parametrize("cluster", [{}, {"broker_class": None}])
def test_another_broker_would_wake_nobody(cluster: dict[str, Any]) -> None:
    with override_settings(Q_CLUSTER=cluster):
        assert said(check_cluster(None)) == [
            (
                "signals_app.E004",
                "Q_CLUSTER['broker_class'] is None, so no worker is woken for deliveries.",
                'Set Q_CLUSTER["broker_class"] = "signals_app.broker.DeliveryBroker".',
            )
        ]


def test_a_site_without_django_q_runs_nothing() -> None:
    apps = [app for app in settings.INSTALLED_APPS if app != "django_q"]
    with override_settings(INSTALLED_APPS=apps):
        assert said(check_cluster(None)) == [
            (
                "signals_app.E005",
                "django_q is not installed, so nothing runs deliveries.",
                'Add "django_q" to INSTALLED_APPS, after "signals_app".',
            )
        ]


def test_the_order_of_the_apps_decides_which_qcluster_runs() -> None:
    apps = [app for app in settings.INSTALLED_APPS if app != "signals_app"]
    with override_settings(INSTALLED_APPS=[*apps, "signals_app"]):
        assert said(check_cluster(None)) == [
            (
                "signals_app.E006",
                "signals_app stands after django_q, whose qcluster command is not supervised.",
                'Put "signals_app" before "django_q" in INSTALLED_APPS.',
            )
        ]


class OddRouter:
    """Keeps the deliveries in the database ``odd``."""

    def db_for_write(self, model: type, **hints: Any) -> str:
        return "odd"


@pytest.fixture
def odd_database(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Return the settings of a second database, which the deliveries are routed to."""
    odd = dict(connections.settings["other"])
    monkeypatch.setitem(connections.settings, "odd", odd)
    with override_settings(DATABASE_ROUTERS=[f"{__name__}.OddRouter"]):
        yield odd
    if hasattr(connections["odd"], "close"):
        connections["odd"].close()
    del connections["odd"]


def test_a_database_that_we_do_not_speak_is_an_error(odd_database: dict[str, Any]) -> None:
    odd_database["ENGINE"] = "django.db.backends.dummy"

    assert said(check_database(None)) == [
        (
            "signals_app.E007",
            "The database 'odd' is unknown; deliveries are kept in SQLite or PostgreSQL.",
            "Route signals_app to one of those with DATABASE_ROUTERS.",
        )
    ]


@pytest.mark.parametrize("options", [{}, {"transaction_mode": None}, {"transaction_mode": "DEFERRED"}])
def test_sqlite_whose_transactions_do_not_begin_immediate_is_an_error(
    odd_database: dict[str, Any], options: dict[str, Any]
) -> None:
    odd_database["OPTIONS"] = options

    assert said(check_database(None)) == [
        (
            "signals_app.E008",
            f"The SQLite database 'odd' {LOCKED}.",
            'Set DATABASES[...]["OPTIONS"]["transaction_mode"] = "IMMEDIATE".',
        )
    ]


def test_sqlite_that_begins_immediate_is_right(odd_database: dict[str, Any]) -> None:
    odd_database["OPTIONS"] = {"transaction_mode": "immediate"}

    assert check_database(None) == []


def test_a_lease_that_one_late_heartbeat_breaks_is_an_error() -> None:
    message = (
        "SIGNALS_APP['LEASE'] is 9 s and HEARTBEAT 5 s: one late heartbeat, and a run that is well is taken for lost."
    )
    with override_settings(SIGNALS_APP={"LEASE": 9, "HEARTBEAT": 5}):
        assert said(check_settings(None)) == [("signals_app.E009", message, "Make LEASE at least twice HEARTBEAT.")]
    with override_settings(SIGNALS_APP={"LEASE": 10, "HEARTBEAT": 5}):
        assert check_settings(None) == []
