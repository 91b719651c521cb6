"""``manage.py signals``: the signals map in a terminal."""

from __future__ import annotations

import gc
import json
import sys
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from signals_app.console.signals_map import graph
from signals_app.dispatcher import schedule
from signals_app.models import State
from tests.cluster import ROOT
from tests.signals_app.console.admin.rows import delivery
from tests.signals_app.console.signals_map import listeners
from tests.signals_app.console.signals_map.listeners import FILE, HERE, UNHEARD, by_queue, line_of
from tests.testapp.signals import unheard

pytestmark = pytest.mark.django_db


def printed(*arguments: str) -> str:
    out = StringIO()
    call_command("signals", *arguments, stdout=out)
    assert "\x1b" not in out.getvalue()
    return out.getvalue()


def part(text: str, heading: str) -> list[str]:
    """Return the lines from the one that begins with a heading to the next empty one."""
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(heading))
    return [line.strip() for line in lines[start : lines.index("", start)]]


def test_a_signal_is_printed_with_its_receivers() -> None:
    assert part(printed(), UNHEARD) == [f"{UNHEARD}  tests/testapp/signals.py:6  [nobody listens]", "no receiver"]
    unheard.connect(listeners.plain, sender=listeners.Counter, dispatch_uid="once")
    unheard.connect(listeners.asynchronous, weak=False)
    unheard.connect(by_queue)
    unheard.connect(lambda sender, **kwargs: None)
    gc.collect()
    now = timezone.now()
    delivery(signal=UNHEARD, receiver=by_queue.key)
    for state in (State.FAILED, State.SUCCESSFUL, State.SUCCESSFUL):
        delivery(state, signal=UNHEARD, receiver=by_queue.key, finished_at=now, attempts=2)
    assert part(printed(), UNHEARD) == [
        f"{UNHEARD}  tests/testapp/signals.py:6",
        f"plain   {HERE}.plain  {FILE}:{line_of('def plain')}",
        f"sender {HERE}.Counter, dispatch_uid once",
        f"async   {HERE}.asynchronous  {FILE}:{line_of('async def')}",
        "strong",
        f"queued  {HERE}.by_queue  {FILE}:{line_of('@queued')}  [failures]",
        "priority=3 delay=1.5 drop=request",
        "1 waiting, 2 successful, 1 failed, 6 runs",
        "plain   a receiver that is gone  [dead reference]",
        "weak, and gone",
    ]


def test_what_the_clock_sends_says_when() -> None:
    schedule(unheard, "0 3 * * *", tz="Europe/Vienna")
    unheard.connect(by_queue)
    heading, clock, queued, *_ = part(printed(), UNHEARD)
    assert (heading.split()[-1], clock) == ("tests/testapp/signals.py:6", "sent by the clock  0 3 * * * Europe/Vienna")
    assert queued.endswith(f"{FILE}:{line_of('@queued')}")


def test_signals_of_libraries_are_left_out_until_they_are_asked_for() -> None:
    short, whole = printed(), printed("--all")
    assert "django.core.signals.request_started" not in short
    assert "signals of libraries are left out; --all shows them." in short.splitlines()[-1]
    started = part(whole, "django.core.signals.request_started")
    assert [line for line in started if line.startswith("plain   django.db.reset_queries  django/db/__init__.py:")]
    assert "left out" not in whole


def test_what_is_not_connected_is_printed_after_what_is() -> None:
    delivery(signal="old.signals.placed", receiver="old.receivers.bill")
    at = timezone.now()
    delivery(State.SUCCESSFUL, signal="old.signals.placed", receiver="old.receivers.bill", finished_at=at)
    text = printed()
    assert f"queued  {by_queue.key}  {FILE}:{line_of('@queued')}  [nobody sends]" in part(
        text, "Connected to no signal:"
    )
    assert part(text, "Deliveries for receivers that are not connected in this process:") == [
        "Deliveries for receivers that are not connected in this process:",
        "queued  old.signals.placed →  old.receivers.bill  [only in the record]",
        "1 waiting, 1 successful, 1 run",
    ]


def test_a_mark_leaves_only_its_bearers() -> None:
    assert "[nobody sends]" in printed("--show", "unsent")
    assert printed("--show", "paused").startswith("Nothing has the mark paused.\n")
    with pytest.raises(CommandError, match="invalid choice: 'bad'"):
        printed("--show", "bad")


def test_it_says_from_when_it_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    now = timezone.now()
    for _ in range(3):
        delivery(State.SUCCESSFUL, finished_at=now)
    assert ", the newest" not in printed()
    monkeypatch.setattr(graph, "COUNTED", 2)
    assert f"Deliveries that ended are counted from {now:%Y-%m-%d %H:%M:%S}, the newest" in printed()


def test_as_json_it_says_the_same_with_the_libraries() -> None:
    unheard.connect(by_queue, dispatch_uid="once")
    delivery(State.FAILED, signal=UNHEARD, receiver=by_queue.key, finished_at=timezone.now())
    delivery(State.SUCCESSFUL, signal=UNHEARD, receiver="shop.receivers.renamed", finished_at=timezone.now())
    text = printed("--json")
    told = json.loads(text)
    signals = {one["name"]: one for one in told["signals"]}
    assert "django.core.signals.request_started" in signals
    (row,) = signals[UNHEARD].pop("receivers")
    place = {"path": "tests/testapp/signals.py", "line": 6, "is_library": False}
    assert signals[UNHEARD] == {"name": UNHEARD, "place": place, "is_foreign": False, "marks": [], "schedules": []}
    options = row.pop("options")
    assert (options["priority"], options["drop"], options["delay"]) == (3, ["request"], 1.5)
    assert row == {
        "signal": UNHEARD,
        "receiver": by_queue.key,
        "kind": "queued",
        "form": "function",
        "place": {"path": FILE, "line": line_of("@queued"), "is_library": False},
        "sender": "",
        "dispatch_uid": "once",
        "is_weak": True,
        "is_dead": False,
        "given": ["priority", "delay", "drop"],
        "counts": {"waiting": 0, "running": 0, "successful": 0, "failed": 1, "cancelled": 0, "merged": 0, "runs": 1},
        "marks": ["failing"],
    }
    assert told["is_whole_day"] is True
    assert "T" in told["at"]
    assert [one["receiver"] for one in told["unexplained"]] == ["shop.receivers.renamed"]
    assert "tests.testapp.receivers.fails" in [one["receiver"] for one in told["unconnected"]]
    assert json.loads(printed("--json", "--show", "paused"))["signals"] == []
    # no path of this machine is told
    assert str(ROOT) not in text
    assert sys.prefix not in text
    assert '"path": "/' not in text
