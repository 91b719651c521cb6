"""What the app sets up as Django starts, so that a project need write nothing but its name."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import override_settings

from signals_app.conf import BROKER, defaults
from tests.signals_app.projects import Project

CONF = """
import json
from django_q.conf import Conf
names = ("CLUSTER_NAME", "BROKER_CLASS", "ORM", "TIMEOUT", "RETRY")
print(json.dumps([getattr(Conf, name) for name in names]))
"""
COMMAND = """
from django.core.management import get_commands, load_command_class
print(load_command_class(get_commands()["qcluster"], "qcluster").__module__)
"""
OURS = "signals_app.management.commands.qcluster\n"
SIDE_BY_SIDE = """
from django.test import TestCase
from signals_app.models import Delivery

class One(TestCase):
    def test_it(self):
        self.assertEqual(Delivery.objects.count(), 0)

class Another(One):
    pass
"""

# Q_CLUSTER


@pytest.mark.parametrize(
    ("written", "given"),
    [
        ({}, {"broker_class": BROKER, "orm": "default", "poll": 1, "timeout": 60, "retry": 90}),
        ({"orm": "other"}, {"broker_class": BROKER, "poll": 1, "timeout": 60, "retry": 90}),
        ({"timeout": 5}, {"broker_class": BROKER, "orm": "default", "poll": 1, "retry": 90}),
        ({"timeout": 600}, {"broker_class": BROKER, "orm": "default", "poll": 1, "retry": 900}),
        ({"retry": 10}, {"broker_class": BROKER, "orm": "default", "poll": 1, "timeout": 6}),
        ({"retry": 3600}, {"broker_class": BROKER, "orm": "default", "poll": 1, "timeout": 2400}),
        ({"timeout": None}, {"broker_class": BROKER, "orm": "default", "poll": 1, "retry": 90}),
        ({"broker_class": "shop.Broker", "timeout": 1, "retry": 2, "poll": 0.5}, {"orm": "default"}),
        ({"redis": {}}, {"timeout": 60, "retry": 90}),
        ({"orm": "default", "redis": {}}, {"broker_class": BROKER, "poll": 1, "timeout": 60, "retry": 90}),
        ({"orm": "default", "sqs": {}}, {"timeout": 60, "retry": 90}),
    ],
    ids=str,
)
def test_what_is_left_out_is_given_and_what_is_written_stands(written: dict[str, Any], given: dict[str, Any]) -> None:
    assert defaults(written) == given


@pytest.mark.parametrize(
    ("settings", "environment", "found"),
    [
        ("", {}, ["default", BROKER, "default", 60, 90]),
        (
            'Q_CLUSTER = {"ALT_CLUSTERS": {"mail": {"retry": 30, "redis": {}}}}',
            {"Q_CLUSTER_NAME": "mail"},
            ["mail", None, None, 20, 30],
        ),
        (
            'DATABASE_ROUTERS = ["routers.ToOther"]',
            {},
            ["default", BROKER, "other", 60, 90],
        ),
    ],
)
def test_django_q_has_it_and_says_nothing_is_wrong(
    settings: str, environment: dict[str, str], found: list[Any], tmp_path: Path
) -> None:
    project = Project(tmp_path, settings)
    project.write("routers.py", "class ToOther:\n    def db_for_write(self, model, **hints): return 'other'\n")
    assert json.loads(project.shell(CONF, **environment)) == found


def test_a_timeout_that_the_project_wrote_wrong_is_still_warned_of(tmp_path: Path) -> None:
    said = Project(tmp_path, 'Q_CLUSTER = {"timeout": None}').manage("check")
    assert "UserWarning: Retry and timeout are misconfigured" in said


def test_the_order_of_the_two_apps_does_not_matter(tmp_path: Path) -> None:
    project = Project(tmp_path, 'INSTALLED_APPS.reverse(); Q_CLUSTER = {"timeout": 60, "retry": 90}')
    assert json.loads(project.shell(CONF)) == ["default", BROKER, "default", 60, 90]
    assert project.shell(COMMAND) == OURS
    assert project.manage("check") == "System check identified no issues (0 silenced).\n"


def test_a_project_may_have_a_command_of_its_own(tmp_path: Path) -> None:
    project = Project(tmp_path, 'INSTALLED_APPS = ["shop", "django_q", "signals_app"]; Q_CLUSTER = {"timeout": 60}')
    own = "from signals_app.management.commands.qcluster import Command as Ours\nclass Command(Ours): pass\n"
    project.write("shop/management/commands/qcluster.py", own)
    assert project.shell(COMMAND) == "shop.management.commands.qcluster\n"


# Receivers


@pytest.fixture
def shop(tmp_path: Path) -> Callable[..., Project]:
    """Return what makes a project with an app that has receivers and one that has none."""

    def make(settings: str = "", receivers: str = "print('found')") -> Project:
        project = Project(tmp_path, f'INSTALLED_APPS += ["shop", "empty"]\n{settings}')
        project.write("shop/receivers.py", receivers)
        project.write("empty/models.py", "")
        return project

    return make


def test_the_receivers_of_installed_apps_are_found(shop: Callable[..., Project]) -> None:
    assert shop().shell("") == "found\n"


def test_a_setting_leaves_them_to_the_project(shop: Callable[..., Project]) -> None:
    assert shop('SIGNALS_APP = {"AUTODISCOVER": False}').shell("") == ""


def test_receivers_that_cannot_be_imported_say_why(shop: Callable[..., Project]) -> None:
    assert "ModuleNotFoundError: No module named 'nowhere'" in shop(receivers="import nowhere").manage("check")


def test_an_import_that_is_too_early_says_where_it_belongs(shop: Callable[..., Project]) -> None:
    project = shop()
    project.write("shop/__init__.py", "from signals_app.dispatcher import queued_receiver")
    *_frames, said = project.manage("check").splitlines()
    assert said == (
        "django.core.exceptions.AppRegistryNotReady: signals_app.dispatcher is imported before Django has loaded the "
        "apps: import it in an app's receivers module, which is imported as Django starts."
    )


# SQLite


def found() -> dict[str, Any]:
    """Return how a new connection is."""
    db: Any = connections["odd"]
    with db.cursor() as cursor:
        pragmas = ("journal_mode", "busy_timeout", "synchronous")
        return {name: cursor.execute(f"PRAGMA {name}").fetchone()[0] for name in pragmas} | {
            "transaction_mode": db.transaction_mode
        }


PREPARED = {"journal_mode": "wal", "busy_timeout": 20_000, "synchronous": 2, "transaction_mode": "IMMEDIATE"}
UNPREPARED = {"journal_mode": "delete", "busy_timeout": 5_000, "synchronous": 2, "transaction_mode": None}


@pytest.mark.parametrize(
    ("options", "changes"),
    [
        ({}, {}),
        ({"transaction_mode": "DEFERRED"}, {"transaction_mode": "DEFERRED"}),
        ({"transaction_mode": None}, {"transaction_mode": None}),
        ({"timeout": 3}, {"busy_timeout": 3_000}),
        ({"init_command": "PRAGMA busy_timeout=70"}, {"busy_timeout": 70}),
        ({"init_command": "PRAGMA journal_mode=TRUNCATE"}, {"journal_mode": "truncate"}),
        ({"init_command": "PRAGMA synchronous=NORMAL"}, {"synchronous": 1}),
    ],
    ids=str,
)
def test_a_connection_is_prepared_as_far_as_the_project_says_nothing(
    options: dict[str, Any], changes: dict[str, Any], odd_file: dict[str, Any]
) -> None:
    odd_file["OPTIONS"] = options
    written = deepcopy(odd_file)
    assert found() == PREPARED | changes
    connections["odd"].close()
    assert found() == PREPARED | changes
    assert odd_file == written


@override_settings(SIGNALS_APP={"PREPARE_SQLITE": False})
def test_one_setting_leaves_connections_as_they_are(odd_file: dict[str, Any]) -> None:
    assert found() == UNPREPARED


def test_other_databases_are_left_alone(odd_file: dict[str, Any]) -> None:
    with override_settings(DATABASE_ROUTERS=[]):
        assert found() == UNPREPARED


def test_a_database_in_memory_is_left_alone(odd_file: dict[str, Any]) -> None:
    odd_file["NAME"] = ":memory:"
    assert found() == UNPREPARED | {"journal_mode": "memory"}
    BaseDatabaseWrapper.close(connections["odd"])  # its own close() would keep it


def test_the_journal_of_tests_is_left_as_it_is(odd_file: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "outbox", [], raising=False)
    assert found() == PREPARED | {"journal_mode": "delete"}


def test_tests_that_run_side_by_side_have_a_database_each(tmp_path: Path) -> None:
    project = Project(
        tmp_path, 'INSTALLED_APPS += ["shop"]\nDATABASES["default"]["TEST"] = {"NAME": __file__ + ".test"}'
    )
    project.write("shop/tests.py", SIDE_BY_SIDE)
    assert "\nOK\n" in project.manage("test --parallel 2")


def test_a_transaction_has_the_write_lock_from_its_beginning(odd_file: dict[str, Any]) -> None:
    with transaction.atomic(using="odd"):
        another = sqlite3.connect(odd_file["NAME"], timeout=0)
        with pytest.raises(sqlite3.OperationalError, match="database is locked"):
            another.execute("BEGIN IMMEDIATE")
    another.execute("BEGIN IMMEDIATE")
    another.close()


def test_a_connection_that_is_older_than_the_app_is_prepared_too(tmp_path: Path) -> None:
    project = Project(tmp_path, 'INSTALLED_APPS = ["early.apps.Early", *INSTALLED_APPS]')
    early = "class Early(AppConfig):\n    name = 'early'\n    def ready(self): connection.ensure_connection()\n"
    project.write("early/apps.py", f"from django.apps import AppConfig\nfrom django.db import connection\n{early}")
    assert project.shell("from django.db import connection as db; print(db.transaction_mode)") == "IMMEDIATE\n"
