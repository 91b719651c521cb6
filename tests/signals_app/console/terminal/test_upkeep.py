"""``deliveries check`` and ``prune``."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.core.management import CommandError
from django.utils import timezone
from pytest_django import Settings

from signals_app import ledger
from signals_app.models import Delivery, State
from signals_app.worker import pruning
from tests.signals_app.console.admin.rows import delivery
from tests.signals_app.console.terminal.commands import alive, piped, read, told

pytestmark = pytest.mark.django_db


def check(*args: object) -> tuple[int, str]:
    """Return the exit status of a check and what it says."""
    try:
        return 0, told("check", *args)
    except SystemExit as ended:
        return int(ended.code or 0), ""


def test_check_exits_with_1_for_what_health_finds(capsys: pytest.CaptureFixture[str]) -> None:
    assert check()[0] == 1
    alive("elsewhere", "lab-crash", "sigdemo")
    assert check() == (0, "All is well.\n")
    delivery(due_at=timezone.now() - timedelta(seconds=120))
    assert check()[0] == 0
    assert check("--max-wait", 60)[0] == 1
    assert check("--max-wait", 600)[0] == 0


def test_check_asks_no_cluster_of_a_queue_on_demand_until_work_waits_longer_than_it_allows(settings: Settings) -> None:
    settings.SIGNALS_APP = {"ON_DEMAND_QUEUES": ["elsewhere", "lab-crash"]}
    alive("sigdemo")
    delivery(queue="elsewhere", due_at=timezone.now() - timedelta(seconds=120))
    assert check("--max-wait", 600) == (0, "All is well.\n")
    assert check("--max-wait", 60)[0] == 1


def test_check_counts_failures_of_the_last_hour_when_told_to() -> None:
    alive("elsewhere", "lab-crash", "sigdemo")
    for minutes in (10, 20, 70):
        delivery(State.FAILED, finished_at=timezone.now() - timedelta(minutes=minutes))
    assert check()[0] == 0
    assert check("--max-failed", 2)[0] == 0
    assert check("--max-failed", 1)[0] == 1
    assert read("check", "--max-failed", 5) == {"ok": True, "problems": []}


@pytest.mark.django_db(transaction=True)
def test_check_says_what_is_wrong() -> None:
    delivery(State.FAILED, finished_at=timezone.now())
    ended = piped("check", "--max-failed", "0", "--json")
    assert (ended.returncode, ended.stderr) == (1, "")
    found = json.loads(ended.stdout)
    assert not found["ok"]
    assert "The queue sigdemo has no living cluster." in found["problems"]
    assert "In the last hour 1 deliveries failed, more than 0." in found["problems"]


def old(*states: State) -> None:
    for state in states:
        delivery(state, finished_at=timezone.now() - timedelta(days=400))


def test_a_dry_run_says_what_would_go() -> None:
    old(State.SUCCESSFUL, State.SUCCESSFUL, State.FAILED, State.CANCELLED)
    delivery()
    assert told("prune", "--dry-run") == "2 successful, 1 failed and 1 cancelled deliveries would go.\n"
    assert read("prune", "--dry-run") == {
        "dry_run": True,
        "total": 4,
        "states": {"SUCCESSFUL": 2, "FAILED": 1, "CANCELLED": 1},
    }
    assert Delivery.objects.count() == 5


def test_it_deletes_when_yes_is_said() -> None:
    old(State.FAILED)
    kept = delivery(State.FAILED, finished_at=timezone.now())
    with pytest.raises(CommandError, match=r"^Nobody can be asked here"):
        told("prune")
    assert told("prune", "--yes") == "1 failed delivery went.\n"
    assert list(Delivery.objects.all()) == [kept]
    assert told("prune", "--yes") == "Nothing is to be pruned.\n"


def test_one_pruner_at_a_time() -> None:
    old(State.FAILED)
    ledger.begin_maintenance(pruning.TASK, owner="elsewhere", lease=60)
    with pytest.raises(CommandError, match=r"^Another process is pruning right now; look again in a moment"):
        told("prune", "--yes")
    assert Delivery.objects.exists()
