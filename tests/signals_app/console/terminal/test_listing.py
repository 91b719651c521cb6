"""``deliveries list``."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from signals_app import ledger
from signals_app.models import PauseKind, State
from tests.signals_app.console.admin.rows import NOON, at, attempt, delivery
from tests.signals_app.console.terminal.commands import read, told

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def test_deliveries_are_listed_newest_first() -> None:
    done = delivery(State.SUCCESSFUL, attempts=2)
    later = delivery(queue="mail", unroutable=True, due_at=timezone.now() + timedelta(seconds=90.5))
    lines = told("list").splitlines()
    assert lines[0].split() == ["delivery", "state", "queue", "receiver", "attempts", "waited", "ran", "handed", "off"]
    assert lines[1].startswith(f"#{later.pk} ")
    assert "READY unroutable  mail" in lines[1]
    assert "in 1 min 30 s" in lines[1]
    assert lines[2].split()[:4] == [f"#{done.pk}", "SUCCESSFUL", "sigdemo", "shop.receivers.send_mail"]
    assert lines[2].split()[4:] == ["2/5", "2.00", "s", "3.00", "s", "2026-11-23", "12:00:00"]


def test_it_takes_the_filters_of_the_page() -> None:
    failed = delivery(State.FAILED, receiver="shop.print", queue="mail", attempts=3)
    attempt(failed, 3)
    delivery()
    for args in (
        ("--state", "failed"),
        ("--receiver", "shop.print"),
        ("--queue", "mail"),
        ("--error", "builtins.ValueError"),
        ("--attempts", "3"),
        ("--ended", at(5).isoformat()),
        ("--search", "valueerror"),
        (f"#{failed.pk}",),
        ("--since", NOON.isoformat(), "--state", "FAILED", "--state", "CANCELLED"),
    ):
        assert [one["id"] for one in read("list", *args)["deliveries"]] == [failed.pk], args
    long = delivery(State.RUNNING, started_at=timezone.now() - timedelta(minutes=2))
    delivery(State.RUNNING, started_at=timezone.now())
    assert [one["id"] for one in read("list", "--long")["deliveries"]] == [long.pk]
    assert told("list", "--until", "2026-11-23T11:59Z") == "No delivery matches.\n"


def test_more_than_the_limit_is_said() -> None:
    rows = [delivery() for _ in range(3)]
    assert told("list", "--limit", 2).splitlines()[-1] == "There are more than these 2; --limit shows more."
    found = read("list", "--limit", 2)
    assert ([one["id"] for one in found["deliveries"]], found["more"]) == ([rows[2].pk, rows[1].pk], True)
    assert not read("list", "--limit", 3)["more"]


def test_what_is_paused_is_marked() -> None:
    delivery(queue="mail")
    delivery(State.SUCCESSFUL, queue="mail")
    ledger.pause(PauseKind.QUEUE, "mail")
    done, waiting = told("list").splitlines()[1:]
    assert done.split()[1:3] == ["SUCCESSFUL", "mail"]
    assert waiting.split()[1:4] == ["READY", "paused", "mail"]
    assert [one["paused"] for one in read("list")["deliveries"]] == [False, True]


def test_json_has_times_and_durations() -> None:
    delivery(State.SUCCESSFUL)
    (one,) = read("list")["deliveries"]
    assert (one["waited"], one["ran"], one["process"]) == (2.0, 3.0, "worker-3.example.org, pid 4711")
    assert one["finished_at"] == "2026-11-23T12:00:05+00:00"
    assert "payload" not in one
