"""``manage.py signals``: the signals map in a terminal."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from signals_app.console.signals_map import graph
from signals_app.models import State
from tests.signals_app.console.admin.rows import delivery
from tests.signals_app.console.signals_map import listeners
from tests.signals_app.console.signals_map.listeners import by_queue, line_of
from tests.testapp.signals import unheard

pytestmark = pytest.mark.django_db

UNHEARD = "tests.testapp.signals.unheard"
HERE = "tests.signals_app.console.signals_map.listeners"
FILE = "tests/signals_app/console/signals_map/listeners.py"


@pytest.fixture(autouse=True)
def left_as_it_was() -> Iterator[None]:
    yield
    unheard.receivers.clear()


def printed(*arguments: str) -> str:
    out = StringIO()
    call_command("signals", *arguments, stdout=out)
    return out.getvalue()


def part(text: str, heading: str) -> list[str]:
    """Return the lines from the one that begins with a heading to the next empty one."""
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(heading))
    return [line.strip() for line in lines[start : lines.index("", start)]]


def test_a_signal_is_printed_with_its_receivers() -> None:
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
        f"{UNHEARD}  tests/testapp/signals.py:7",
        f"plain   {HERE}.plain  {FILE}:{line_of('def plain')}",
        f"sender {HERE}.Counter, dispatch_uid once",
        f"async   {HERE}.asynchronous  {FILE}:{line_of('async def')}",
        "strong",
        f"queued  {HERE}.by_queue  {FILE}:{line_of('@queued')}  [failures]",
        "priority=3 delay=1.5 drop=request",
        "1 waiting, 2 successful, 1 failed, 6 runs",
        "plain   a receiver that is gone  [dead reference]",
        "gone, dead",
    ]


def test_a_signal_without_receivers_says_so() -> None:
    assert part(printed(), UNHEARD) == [f"{UNHEARD}  tests/testapp/signals.py:7  [nobody listens]", "no receiver"]


def test_signals_of_libraries_are_left_out_until_they_are_asked_for() -> None:
    short, whole = printed(), printed("--all")
    assert "django.core.signals.request_started" not in short
    assert "signals of libraries are left out; --all shows them." in short.splitlines()[-1]
    started = part(whole, "django.core.signals.request_started")
    assert [line for line in started if line.startswith("plain   django.db.reset_queries  django/db/__init__.py:")]
    assert "left out" not in whole


def test_what_is_not_connected_is_printed_after_what_is() -> None:
    delivery(signal="old.signals.placed", receiver="old.receivers.bill")
    text = printed()
    assert f"queued  {by_queue.key}  {FILE}:{line_of('@queued')}  [nobody sends]" in part(
        text, "Connected to no signal:"
    )
    assert part(text, "Deliveries of what is not connected in this process:") == [
        "Deliveries of what is not connected in this process:",
        "queued  old.signals.placed →  old.receivers.bill  [only in the record]",
        "1 waiting",
    ]


def test_a_mark_leaves_only_its_bearers() -> None:
    unheard.connect(by_queue)
    delivery(State.FAILED, signal=UNHEARD, receiver=by_queue.key, finished_at=timezone.now())
    text = printed("--show", "failing")
    assert [line for line in text.splitlines() if line and line[0] != " "][:-1] == [
        f"{UNHEARD}  tests/testapp/signals.py:7"
    ]
    assert printed("--show", "paused").startswith("Nothing is marked as paused.\n")


def test_a_mark_that_does_not_exist_is_refused() -> None:
    with pytest.raises(CommandError, match="invalid choice: 'bad'"):
        printed("--show", "bad")


def test_it_says_from_when_it_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    now = timezone.now()
    for _ in range(3):
        delivery(State.SUCCESSFUL, finished_at=now)
    assert ", the newest" not in printed()
    monkeypatch.setattr(graph, "COUNTED", 2)
    assert f"Deliveries that ended are counted from {now:%Y-%m-%d %H:%M:%S}, the newest" in printed()


def test_as_json_it_is_one_object_with_the_libraries() -> None:
    told = json.loads(printed("--json"))
    assert "django.core.signals.request_started" in [one["name"] for one in told["signals"]]
    assert json.loads(printed("--json", "--show", "paused"))["signals"] == []


def test_it_prints_no_escape_codes() -> None:
    assert "\x1b" not in printed("--all")
