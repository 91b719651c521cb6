"""``deliveries status``, ``list``, ``show`` and ``check``, and the filters of the commands."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError
from django.test import override_settings
from django.utils import timezone
from pytest_django import Settings

from signals_app import ledger
from signals_app.console.dashboard import overview
from signals_app.console.formatting import stamp
from signals_app.console.terminal.choosing import delivery_id, moment
from signals_app.models import Delivery, Outcome, PauseKind, State
from signals_app.monitoring.health import failing, unroutable
from tests.signals_app.console.admin.rows import NOON, at, attempt, delivery
from tests.signals_app.console.terminal.commands import alive, piped, read, told

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
    heads = "queue clusters waiting due scheduled retrying paused behind unroutable oldest running long"
    assert [" ".join(line.split()) for line in lines[:4]] == [
        heads,
        "idle 1 0 0 0 0 0 0 0 - 0 0",
        "mail 1 2 0 1 1 0 0 0 2 min 5 s 1 1",
        "paused 0 1 0 0 0 1 0 0 - 0 0",
    ]
    assert "In the last hour: 0 successful, 1 failed, 0 cancelled, 0 merged, 1 lost attempt." in lines
    assert lines[-1].startswith("Paused since 20")
    assert lines[-1].endswith(": queue paused by ada")


def test_status_for_a_program() -> None:
    delivery(queue="mail")
    ledger.pause(PauseKind.RECEIVER, "shop.receivers.send_mail", by="ada")
    found = read("status")
    (mail,) = found["queues"]
    assert (mail["name"], mail["waiting"], mail["due"], mail["paused"], mail["clusters"]) == ("mail", 1, 0, 1, 0)
    assert found["last_hour"] == {"succeeded": 0, "failed": 0, "cancelled": 0, "merged": 0, "lost": 0}
    assert [(one["kind"], one["by"]) for one in found["pauses"]] == [("RECEIVER", "ada")]


def test_schedules_are_listed_with_their_next_tick() -> None:
    assert told("schedules") == "There is no schedule. One is on the record once a cluster has started with it.\n"
    ledger.enter_schedule("orders.closing", "0 3 * * * UTC", first=NOON, now=NOON, replaces=True)
    ledger.pause(PauseKind.SCHEDULE, "orders.closing")
    heads, line = told("schedules").splitlines()
    assert heads.split() == ["schedule", "when", "next", "last"]
    assert line.split() == ["orders.closing", *["0", "3", "*", "*", "*", "UTC"], *stamp(NOON).split(), "-", "paused"]
    (one,) = read("schedules")["schedules"]
    assert (one["key"], one["last_at"], one["paused"]) == ("orders.closing", None, True)
    assert datetime.fromisoformat(one["next_at"]) == NOON


def test_deliveries_are_listed_newest_first() -> None:
    done = delivery(State.SUCCESSFUL, attempts=2)
    later = delivery(queue="mail", due_at=timezone.now() + timedelta(seconds=90.5))
    lines = told("list").splitlines()
    assert lines[0].split() == ["delivery", "state", "queue", "receiver", "attempts", "waited", "ran", "enqueued"]
    assert lines[1].startswith(f"#{later.pk} ")
    assert "  scheduled in 91 s  mail " in lines[1]
    assert lines[2].split()[:4] == [f"#{done.pk}", "successful", "sigdemo", "shop.receivers.send_mail"]
    assert lines[2].split()[4:] == ["2/5", "2.00", "s", "3.00", "s", "2026-11-23", "12:00:00"]
    one = read("list")["deliveries"][1]
    assert (one["waited"], one["ran"], one["process"]) == (2.0, 3.0, "worker-3.example.org, pid 4711")
    assert one["finished_at"] == "2026-11-23T12:00:05+00:00"
    assert "payload" not in one


@pytest.fixture
def two() -> list[Delivery]:
    """Two deliveries that differ in everything that can be chosen by."""
    names = {"receiver": "shop.print", "signal": "shop.signals.paid", "queue": "mail"}
    one = delivery(State.FAILED, attempts=3, enqueued_at=at(60), unroutable=True, **names)
    attempt(one, number=2, error_class="builtins.OSError")
    attempt(one, number=3, outcome=Outcome.LOST)
    attempt(one, number=3)
    attempt(one, number=3, outcome=Outcome.STALE, error_class="builtins.KeyError")  # a late report of the lost one
    return [one, delivery(payload='{"sender":null,"arguments":{"order":77}}', unroutable=True)]


@pytest.mark.database
@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("", [0, 1]),
        ("--state failed", [0]),
        ("--state FAILED --state READY", [0, 1]),
        ("--receiver shop.print", [0]),
        ("--signal shop.signals.paid", [0]),
        ("--queue mail", [0]),
        ("--error builtins.ValueError", [0]),
        ("--error builtins.OSError", []),
        ("--error builtins.KeyError", []),
        ("--attempts 3", [0]),
        ("--attempts 4", []),
        (f"--since {at(60).isoformat()}", [0]),
        (f"--until {at(60).isoformat()}", [1]),
        (f"--since {NOON.isoformat()} --until {at(61).isoformat()}", [0, 1]),
        ("--search order=77", [1]),
        ("--search valueerror", [0]),
        ("--waiting unroutable", [1]),
        ("--waiting due", []),
        ("--unroutable", [1]),
        ("--long", []),
        (f"--ended {at(5).isoformat()}", [0]),
        ("--queue mail --state READY", []),
    ],
)
def test_everything_that_is_given_applies(two: list[Delivery], given: str, meant: list[int]) -> None:
    newest_first = [two[n].pk for n in reversed(meant)]
    assert [one["id"] for one in read("list", *given.split())["deliveries"]] == newest_first
    named = [one["id"] for one in read("list", *given.split(), f"#{two[1].pk}", 999)["deliveries"]]
    assert named == [two[n].pk for n in meant if n == 1]


def test_what_has_run_for_long_is_found_and_nothing_is_said_to_match_nothing() -> None:
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
    ledger.pause(PauseKind.QUEUE, "mail", by="ada")
    done, waiting = told("list").splitlines()[1:]
    assert done.split()[1:3] == ["successful", "mail"]
    assert waiting.split()[1:5] == ["paused", "by", "ada", "mail"]
    assert [one["paused"] for one in read("list")["deliveries"]] == [False, True]


def test_all_there_is_to_know_of_a_delivery() -> None:
    one = delivery(State.FAILED, payload='{"arguments":{"order":7}}')
    attempt(one)
    other = delivery(emission=one.emission, receiver="shop.print")
    text = told("show", one.pk)
    lines = text.splitlines()
    assert f"id             {one.pk}" in lines
    assert "standing       failed" in lines
    assert "unroutable     no" in lines
    assert "process        worker-3.example.org, pid 4711" in lines
    assert '    "order": 7' in lines
    assert "Attempt 1: ERROR builtins.ValueError (worker-3.example.org, pid 4711)" in lines
    assert "  | ValueError: the stock is negative" in lines
    assert f"Of the same emission: #{other.pk} shop.print ready" in lines

    found = read("show", f"#{one.pk}")
    assert found["payload"] == {"arguments": {"order": 7}}
    assert [(end["number"], end["outcome"], end["message"]) for end in found["failed_attempts"]] == [
        (1, "ERROR", "the stock is negative")
    ]
    assert found["same_emission"] == [{"id": other.pk, "receiver": other.receiver, "state": "READY"}]


def test_a_merged_one_names_the_one_that_ran_and_that_one_says_how_many() -> None:
    ran = delivery(State.SUCCESSFUL, waiting_since=NOON)
    merged = delivery(State.MERGED, coalesce_key="shop.Product 7", merged_into=ran.pk)
    found = read("show", merged.pk)
    assert (found["state"], found["merged_into"], found["coalesce_key"]) == ("MERGED", ran.pk, "shop.Product 7")
    assert (read("show", ran.pk)["merged"], found["merged"]) == (1, 0)


@pytest.mark.parametrize(
    ("fields", "key", "line", "value"),
    [
        ({"sent_by": "ada"}, "sent_by", "sent by        ada", "ada"),
        (
            {"sent_from": "POST /reset/token=abc123def/"},
            "sent_from",
            "sent from      POST /reset/token=********",
            "POST /reset/token=********",
        ),
        (
            {"sender": "ada\npassword=hunter2"},
            "sender",
            "sender         ada\\npassword=********",
            "ada\\npassword=********",
        ),
        ({"trace": f"00-{'4b' * 16}-{'a' * 16}-01"}, "trace_id", f"trace id       {'4b' * 16}", "4b" * 16),
        ({}, "trace_id", "trace id       -", ""),
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


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("15m", 900), ("2h", 7200), ("3d", 259_200)])
def test_an_age_is_a_moment_so_long_ago(text: str, seconds: float) -> None:
    assert abs(timezone.now() - timedelta(seconds=seconds) - moment(text)) < timedelta(seconds=5)


@override_settings(TIME_ZONE="Asia/Tokyo")
def test_a_date_is_in_the_zone_of_the_project_unless_it_names_one() -> None:
    assert moment("2026-11-23T21:00") == moment("2026-11-23 21:00:00") == datetime(2026, 11, 23, 12, tzinfo=UTC)
    assert moment("2026-11-23T12:00Z") == datetime(2026, 11, 23, 12, tzinfo=UTC)
    assert moment("2026-11-24") == datetime(2026, 11, 23, 15, tzinfo=UTC)


@override_settings(USE_TZ=False)
def test_without_time_zones_a_date_has_none() -> None:
    assert moment("2026-11-23T21:00").tzinfo is None


@pytest.mark.parametrize("text", ["", "soon", "2", "-2h", "2 h", "2w", "99999999999999d", "2026-13-01", "٢h"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="is neither an age such as 15m, 2h or 3d nor a date such as"):
        moment(text)


@pytest.mark.parametrize("text", ["", "#", "x", "-1", "4.2", "²", "9" * 19, "9" * 30])
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="is not the id of a delivery, such as 42 or #42"):
        delivery_id(text)


@pytest.mark.parametrize("option", [("--state", "lost"), ("--since", "soon"), ("--attempts", "-1"), ("--limit", "0")])
def test_a_wrong_option_is_said_in_one_sentence(option: tuple[str, str]) -> None:
    with pytest.raises(CommandError, match=f"argument {option[0]}: "):
        told("list", *option)


WELL = (
    "All is well: no due delivery has waited for more than 300 s, and no receiver fails in more than 25% of its "
    "attempts of the last 5 minutes.\n"
)


def check(*args: object) -> tuple[int, str]:
    """Return the exit status of a check and what it says."""
    try:
        return 0, told("check", *args)
    except SystemExit as ended:
        return int(ended.code or 0), ""


def test_check_exits_with_1_for_what_health_finds(capsys: pytest.CaptureFixture[str]) -> None:
    assert check()[0] == 1
    alive("elsewhere", "lab-crash", "sigdemo")
    assert check() == (0, WELL)
    delivery(due_at=timezone.now() - timedelta(seconds=120))
    assert check()[0] == 0
    assert check("--max-wait", 60)[0] == 1
    assert check("--max-wait", 600)[0] == 0


def test_check_names_receivers_that_no_worker_knows_for_longer_than_it_allows() -> None:
    alive("elsewhere", "lab-crash", "sigdemo")
    now = timezone.now()
    for minutes in (1, 10, 20):
        later, sent = now + timedelta(seconds=20), now - timedelta(minutes=minutes)
        delivery(receiver="orders.receivers.gone", unroutable=True, due_at=later, enqueued_at=sent)
    assert check("--max-wait", 3600)[0] == 0
    assert check("--max-wait", 300)[0] == 1
    said = "2 deliveries wait for a receiver that no worker knows: orders.receivers.gone."
    assert unroutable(max_wait=300) == [said]
    with override_settings(SIGNALS_APP={"HEALTH_MAX_WAIT": 300}):
        assert said in [banner.text for banner in overview()["banners"]]


@pytest.mark.parametrize("column", ["receiver", "queue"])
def test_a_name_that_nobody_knows_is_refused_and_one_of_a_delivery_is_not(column: str) -> None:
    delivery(State.FAILED, **{column: "shop.gone"})
    assert "shop.gone" in told("list", f"--{column}", "shop.gone")
    for command in ("list", "retry"):
        with pytest.raises(CommandError, match=rf"no {column} 'boom'\. (There are: |Did you mean )"):
            told(command, f"--{column}", "boom")


def test_check_asks_no_cluster_of_a_queue_on_demand_until_work_waits_longer_than_it_allows(settings: Settings) -> None:
    settings.SIGNALS_APP = {"ON_DEMAND_QUEUES": ["elsewhere", "lab-crash"]}
    alive("sigdemo")
    delivery(queue="elsewhere", due_at=timezone.now() - timedelta(seconds=120))
    assert check("--max-wait", 600)[0] == 0
    assert check("--max-wait", 60)[0] == 1


def test_check_counts_failures_of_the_last_hour_when_told_to() -> None:
    alive("elsewhere", "lab-crash", "sigdemo")
    for minutes in (10, 20, 70):
        delivery(State.FAILED, finished_at=timezone.now() - timedelta(minutes=minutes))
    assert check()[0] == 0
    assert check("--max-failed", 2)[0] == 0
    assert check("--max-failed", 1)[0] == 1
    limits = {"max_wait": 300, "max_failing": 25, "max_failed": 5}
    assert read("check", "--max-failed", 5) == {"ok": True, "problems": [], "limits": limits}


def test_check_fails_while_a_receiver_fails_in_more_attempts_than_it_allows(settings: Settings) -> None:
    alive("elsewhere", "lab-crash", "sigdemo")
    now = timezone.now()
    for number in range(4):
        delivery(State.SUCCESSFUL, finished_at=now)
        one = delivery(attempts=1, due_at=now) if number else delivery(State.FAILED, finished_at=now)
        attempt(one, finished_at=now)
    assert check()[0] == 1
    assert check("--max-failing", 49)[0] == 1
    assert check("--max-failing", 50)[0] == 0
    said = "shop.receivers.send_mail fails: 4 of its 8 attempts in the last 5 minutes failed, more than 25%."
    assert [*failing(ledger.recent_attempts()).values()] == [said]
    assert "failing is not looked at" in check("--max-failing", 100)[1]
    settings.SIGNALS_APP = {"HEALTH_MAX_FAILING": 60}
    assert "in more than 60% of its attempts" in check()[1]
    with pytest.raises(CommandError, match="argument --max-failing: '101' is more than 100 percent"):
        check("--max-failing", 101)


@pytest.mark.django_db(transaction=True)
def test_check_says_what_is_wrong() -> None:
    delivery(State.FAILED, finished_at=timezone.now())
    ended = piped("check", "--max-failed", "0", "--json")
    assert (ended.returncode, ended.stderr) == (1, "")
    found = json.loads(ended.stdout)
    assert not found["ok"]
    assert "The queue sigdemo has no living cluster." in found["problems"]
    assert "Failed in the last hour: 1, more than 0." in found["problems"]
