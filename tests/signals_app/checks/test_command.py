"""The checks as Django's commands run them: what is wrong keeps them from starting."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.checks import Tags, run_checks
from django.core.management import CommandError, call_command
from django.test import override_settings

ROOT = Path(__file__).parents[3]
WITHOUT_WAL = (
    'DATABASES["default"] = {"ENGINE": "django.db.backends.sqlite3", "NAME": "%s/odd.sqlite3", '
    '"OPTIONS": {"init_command": "PRAGMA journal_mode=DELETE"}}'
)


def manage(directory: Path, faulty: str, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a real command with these lines after the tests' settings."""
    (directory / "faulty_settings.py").write_text(f"from tests.settings import *\n{faulty}\n")
    return subprocess.run(
        [sys.executable, "manage.py", *command, "--settings", "faulty_settings"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(directory), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.django_db(databases=["default", "other"])
def test_the_tests_own_settings_are_right() -> None:
    assert run_checks(tags=["signals_app", Tags.database], include_deployment_checks=True, databases=["default"]) == []


@override_settings(SIGNALS_APP={"RETRIES": 3})
def test_the_checks_belong_to_the_command() -> None:
    with pytest.raises(CommandError, match=r"SIGNALS_APP has an unknown key 'RETRIES'\."):
        call_command("check", tags=["signals_app"])


def test_a_cluster_that_could_not_kill_a_worker_does_not_start(tmp_path: Path) -> None:
    result = manage(tmp_path, 'Q_CLUSTER["guard_cycle"] = 0.3', "qcluster")

    assert result.returncode == 1
    assert "(signals_app.E011) Q_CLUSTER['guard_cycle'] is 0.3: " in result.stderr
    assert "running" not in result.stdout + result.stderr


@pytest.mark.parametrize("command", ["qcluster", "migrate"])
def test_a_database_without_wal_is_neither_served_nor_set_up(command: str, tmp_path: Path) -> None:
    result = manage(tmp_path, WITHOUT_WAL % tmp_path, command)

    assert result.returncode == 1
    assert "(signals_app.E016) The SQLite database 'default' is in journal mode 'delete', " in result.stderr
    assert "running" not in result.stdout + result.stderr


def test_a_cluster_that_the_settings_do_not_have_is_refused_in_a_sentence(tmp_path: Path) -> None:
    result = manage(tmp_path, 'del Q_CLUSTER["ALT_CLUSTERS"]', "qcluster", Q_CLUSTER_NAME="mail")

    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == (
        "django.core.exceptions.ImproperlyConfigured: The environment variable Q_CLUSTER_NAME is 'mail', but the only "
        "cluster of Q_CLUSTER is 'sigdemo'. Unset the variable, or write "
        'Q_CLUSTER["ALT_CLUSTERS"] = {"mail": {}}.'
    )
