"""A project of Django-Q and this app alone: no admin, no users, no content types."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster import ROOT

SETTINGS = """
INSTALLED_APPS = ["signals_app", "django_q"]
SECRET_KEY = "only for the tests"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": __file__ + ".sqlite3",
        "CONN_MAX_AGE": None,
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL;"},
    }
}
Q_CLUSTER = {"name": "bakery", "orm": "default", "retry": 120, "timeout": 90}
Q_CLUSTER["broker_class"] = "signals_app.cluster.broker.DeliveryBroker"
"""
DONE = {
    "deliveries status": "No queue has work, and no cluster was heard of.",
    "deliveries list": "No delivery matches.",
    "deliveries check": "The queue bakery has no living cluster.",
    "deliveries pause queue bakery --yes": "The queue bakery is paused by",
    "deliveries cancel --all --yes": "0 deliveries were cancelled.",
    "deliveries cancel --all --yes --as ada": "CommandError: This project has no users: leave out --as.",
    "deliveries prune": "Nothing is to be pruned.",
    "signals": "Deliveries that ended are counted from",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("bakery")
    (directory / "bakery_settings.py").write_text(SETTINGS)
    assert "OK" in manage(directory, "migrate")
    return directory


def manage(directory: Path, command: str) -> str:
    path = os.pathsep.join([str(directory), str(ROOT)])
    ran = subprocess.run(
        [sys.executable, "-m", "django", *command.split()],
        env={**os.environ, "PYTHONPATH": path, "DJANGO_SETTINGS_MODULE": "bakery_settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.stdout + ran.stderr


@pytest.mark.parametrize("command", DONE)
def test_every_command_does_without_the_others(project: Path, command: str) -> None:
    assert DONE[command] in manage(project, command)
