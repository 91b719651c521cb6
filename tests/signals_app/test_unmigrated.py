"""What the commands say before the first ``migrate``, and what a later one leaves to the code of before."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.db.migrations import AddField
from django.db.migrations.loader import MigrationLoader
from django.db.models import NOT_PROVIDED

from tests.signals_app.projects import Project

ELSEWHERE = 'DATABASE_ROUTERS = ["routers.ToOther"]'
ROUTER = """
class ToOther:
    def db_for_write(self, model, **hints):
        return "other" if model._meta.app_label == "signals_app" else None
    db_for_read = db_for_write
"""
HINT = "The database 'default' lacks the tables of signals_app. Run: python manage.py migrate\n"


@pytest.mark.parametrize("command", ["qcluster", "signals", "deliveries status", "deliveries list"])
def test_a_command_says_once_to_migrate(command: str, tmp_path: Path) -> None:
    ran = Project(tmp_path).run("-m", "django", *command.split())
    assert (ran.returncode, ran.stdout, ran.stderr) == (1, "", f"CommandError: {HINT}")


def test_the_check_says_so_too(tmp_path: Path) -> None:
    project = Project(tmp_path)
    ran = project.run("-m", "django", "deliveries", "check")
    assert (ran.returncode, ran.stdout, ran.stderr) == (1, HINT, "")
    ran = project.run("-m", "django", "deliveries", "check", "--json")
    told = json.loads(ran.stdout)
    assert (ran.returncode, told["ok"], told["problems"]) == (1, False, [HINT.strip()])


def test_the_database_is_named_and_each_app_has_tables_of_its_own(tmp_path: Path) -> None:
    project = Project(tmp_path, ELSEWHERE)
    project.write("routers.py", ROUTER)
    project.manage("migrate")
    said = "The database 'other' lacks the tables of signals_app. Run: python manage.py migrate --database other\n"
    assert project.manage("qcluster") == f"CommandError: {said}"
    project.manage("migrate --database other")
    project.manage("migrate django_q zero")
    assert project.manage("qcluster") == f"CommandError: {HINT.replace('signals_app', 'django_q')}"


def test_a_database_that_is_away_is_not_mistaken_for_one_without_tables(tmp_path: Path) -> None:
    away = Project(tmp_path, 'DATABASES["default"]["NAME"] = "/nowhere/db.sqlite3"')
    asked = "from signals_app import ledger, models; print(repr(ledger.missing_tables(models.Delivery)))"
    assert away.shell(asked) == "''\n"


def test_code_of_before_can_write_once_the_new_columns_are_there() -> None:
    loader = MigrationLoader(None)
    added = [
        operation
        for (app, name), migration in loader.disk_migrations.items()
        if app == "signals_app" and name != "0001_initial"
        for operation in migration.operations
        if isinstance(operation, AddField)
    ]
    assert added
    lacking = [one.name for one in added if not one.field.null and one.field.db_default is NOT_PROVIDED]
    assert not lacking
