"""``deliveries status`` and ``check``."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from signals_app import ledger
from signals_app.models import PauseKind, State
from tests.signals_app.console.admin.rows import attempt, delivery
from tests.signals_app.console.terminal.commands import piped, read, told

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def alive(*queues: str) -> None:
    for queue in queues:
        ledger.keep_stat(f"q:{queue}", "package", queue=queue, host="vm", seconds=60)


def test_status_has_a_line_for_each_queue() -> None:
    now = timezone.now()
    delivery(queue="mail", due_at=now - timedelta(seconds=125), attempts=1)
    delivery(queue="mail", due_at=now + timedelta(hours=1))
    delivery(State.RUNNING, queue="mail", started_at=now - timedelta(minutes=3))
    delivery(State.FAILED, finished_at=now)
    attempt(delivery(queue="paused"), outcome="LOST", finished_at=now)
    ledger.pause(PauseKind.QUEUE, "paused", by="ada")
    alive("mail", "idle")
    lines = told("status").splitlines()
    heads = "queue clusters waiting due retrying unroutable paused oldest running long"
    assert [" ".join(line.split()) for line in lines[:4]] == [
        heads,
        "idle 1 0 0 0 0 0 - 0 0",
        "mail 1 2 1 1 0 0 2 min 5 s 1 1",
        "paused 0 1 0 0 0 1 - 0 0",
    ]
    assert "In the last hour: 0 successful, 1 failed, 0 cancelled, 1 lost attempt." in lines
    assert lines[-1].startswith("Paused since 20")
    assert lines[-1].endswith(" by ada: queue paused.")


def test_status_for_a_program() -> None:
    delivery(queue="mail")
    ledger.pause(PauseKind.RECEIVER, "shop.receivers.send_mail", by="ada")
    found = read("status")
    (mail,) = found["queues"]
    assert (mail["name"], mail["waiting"], mail["due"], mail["paused"], mail["clusters"]) == ("mail", 1, 0, 1, 0)
    assert found["last_hour"] == {"succeeded": 0, "failed": 0, "cancelled": 0, "lost": 0}
    assert [(one["kind"], one["by"]) for one in found["pauses"]] == [("RECEIVER", "ada")]


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
