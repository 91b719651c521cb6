"""``deliveries status``, ``list`` and ``show``."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError
from django.utils import timezone

from signals_app import ledger
from signals_app.models import PauseKind, State
from tests.signals_app.console.admin.rows import NOON, at, attempt, delivery
from tests.signals_app.console.terminal.commands import alive, read, told

pytestmark = pytest.mark.django_db


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
    one = read("list")["deliveries"][1]
    assert (one["waited"], one["ran"], one["process"]) == (2.0, 3.0, "worker-3.example.org, pid 4711")
    assert one["finished_at"] == "2026-11-23T12:00:05+00:00"
    assert "payload" not in one


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


def test_all_there_is_to_know_of_a_delivery() -> None:
    one = delivery(State.FAILED, payload='{"arguments":{"order":7}}')
    attempt(one)
    other = delivery(emission=one.emission, receiver="shop.print")
    text = told("show", one.pk)
    lines = text.splitlines()
    assert f"id            {one.pk}" in lines
    assert "unroutable    no" in lines
    assert "process       worker-3.example.org, pid 4711" in lines
    assert '    "order": 7' in lines
    assert "Attempt 1: ERROR builtins.ValueError (worker-3.example.org, pid 4711)" in lines
    assert "  | ValueError: the stock is negative" in lines
    assert f"Of the same emission: #{other.pk} shop.print READY" in lines

    found = read("show", f"#{one.pk}")
    assert found["payload"] == {"arguments": {"order": 7}}
    assert [(end["number"], end["outcome"], end["message"]) for end in found["failed_attempts"]] == [
        (1, "ERROR", "the stock is negative")
    ]
    assert found["same_emission"] == [{"id": other.pk, "receiver": other.receiver, "state": "READY"}]


@pytest.mark.parametrize(
    ("fields", "key", "line", "value"),
    [
        ({"sent_by": "ada"}, "sent_by", "sent by       ada", "ada"),
        (
            {"sent_from": "POST /reset/token=abc123def/"},
            "sent_from",
            "sent from     POST /reset/token=********",
            "POST /reset/token=********",
        ),
        (
            {"sender": "ada\npassword=hunter2"},
            "sender",
            "sender        ada\\npassword=********",
            "ada\\npassword=********",
        ),
        ({"trace": f"00-{'4b' * 16}-{'a' * 16}-01"}, "trace_id", f"trace id      {'4b' * 16}", "4b" * 16),
        ({}, "trace_id", "trace id      -", ""),
        ({"payload": "{broken"}, "payload", "{broken", "{broken"),
    ],
)
def test_a_value_is_told_to_people_and_to_programs(fields: dict[str, Any], key: str, line: str, value: str) -> None:
    one = delivery(**fields)
    assert line in told("show", one.pk).splitlines()
    assert read("show", one.pk)[key] == value


def test_secrets_are_masked() -> None:
    one = delivery(State.FAILED, payload='{"arguments":{"password":"hunter2"}}')
    attempt(one, message="refused: password=hunter2", traceback="    login(password='hunter2')")
    for text in (told("show", one.pk), told("show", one.pk, "--json")):
        assert "********" in text
        assert "hunter2" not in text


def test_a_delivery_that_does_not_exist_is_said() -> None:
    with pytest.raises(CommandError, match=r"^There is no delivery #999\.$"):
        told("show", 999)
