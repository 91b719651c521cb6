"""Signals that the clock sends: each tick once, whoever looks, through summer time and times without a cluster."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import DEFAULT, patch

import pytest
from django.db import OperationalError
from django.dispatch import Signal
from django.test import override_settings
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from signals_app import ledger
from signals_app.conf import conf
from signals_app.dispatcher import schedule, schedules
from signals_app.dispatcher.schedules import CONFIRM, LATE, Missed, Schedule, tick
from signals_app.exceptions import ReceiverError
from signals_app.ledger.schedules import UNCONFIRMED
from signals_app.models import Delivery, Pause, PauseKind
from signals_app.models import Schedule as Row
from signals_app.payloads import decode_arguments
from signals_app.worker.loop import drain
from tests.signals_app.listeners import first, listening, run_waiting
from tests.signals_app.threads import at_the_same_time

pytestmark = [pytest.mark.django_db, pytest.mark.database]

closing = Signal()
VIENNA = "Europe/Vienna"
NAME = f"{__name__}.closing"


@pytest.fixture(autouse=True)
def no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget all schedules, those of the test app and what a test defines."""
    monkeypatch.setattr(schedules, "_schedules", {})
    monkeypatch.setattr(schedules, "_entered", {})


def ticks(cron: str, begin: str, *, zone: str = VIENNA, count: int = 3) -> list[str]:
    made = Schedule(key="x", signal=closing, cron=cron, zone=zone, missed="once")
    found = [datetime.fromisoformat(begin)]
    for _ in range(count):
        found.append(made.after(found[-1]))
    return [one.isoformat() for one in found[1:]]


def due(ago: timedelta = timedelta(0)) -> datetime:
    """Make the one schedule's next tick one of so long ago."""
    known = schedules._schedules[NAME]
    if not Row.objects.exists():
        tick()
    moment = known.last_until(timezone.now() - ago)
    Row.objects.update(next_at=moment)
    return moment


def sent() -> list[datetime]:
    """Run what waits, and return the times of the ticks that the receiver of the signal was told."""
    return [call.arguments["due"] for call in run_waiting()]


class Pusher:
    """A process of its own, which has just started with this definition of the schedule."""

    def __init__(self, cron: str, *, zone: str = "UTC", missed: Missed = "once") -> None:
        self.known = Schedule(key=NAME, signal=closing, cron=cron, zone=zone, missed=missed)
        self.entered: dict[str, datetime] = {}

    def look(self, now: datetime | None = None) -> int:
        with (
            patch.multiple(schedules, _schedules={NAME: self.known}, _entered=self.entered),
            patch.object(ledger, "now", return_value=now or ledger.now()),
        ):
            return tick()


@pytest.fixture
def every_minute() -> Iterator[None]:
    with listening(closing, first):
        schedule(closing, "* * * * *")
        yield


@pytest.mark.parametrize(
    ("cron", "begin", "expected"),
    [
        # the clocks go from 2 to 3 on 29 March and from 3 to 2 on 25 October 2026
        ("30 2 * * *", "2026-03-28T12:00+01:00", ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"]),
        ("30 2 * * *", "2026-10-24T12:00+02:00", ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"]),
        ("0 * * * *", "2026-10-25T00:30+00:00", ["2026-10-25T02:00:00+01:00", "2026-10-25T03:00:00+01:00"]),
        ("0 3 * * *", "2026-03-28T12:00+01:00", ["2026-03-29T03:00:00+02:00", "2026-03-30T03:00:00+02:00"]),
    ],
)
def test_summer_time_neither_doubles_nor_drops_a_tick(cron: str, begin: str, expected: list[str]) -> None:
    assert ticks(cron, begin, count=2) == expected


@pytest.mark.usefixtures("every_minute")
def test_a_tick_that_is_due_sends_the_signal_once() -> None:
    assert tick() == 0  # the first is in the future
    moment = due()
    assert (tick(), tick()) == (1, 0)
    (handed_off,) = Delivery.objects.all()
    assert (handed_off.receiver, handed_off.signal, handed_off.sent_from) == (
        "signals_app.tick",
        NAME,
        f"schedule {NAME}",
    )
    assert sent() == [moment]
    row = Row.objects.get()
    assert row.last_at == moment < timezone.now() < row.next_at
    assert Delivery.objects.get(receiver=first.key).sender == NAME


HOURLY: list[tuple[Missed, list[int]]] = [("once", [0]), ("skip", []), ("all", [3, 2, 1, 0])]


@pytest.mark.parametrize(("missed", "hours"), HOURLY)
def test_ticks_that_no_cluster_saw_are_made_up_for_as_said(missed: Missed, hours: list[int]) -> None:
    half_an_hour_ago = (timezone.now() - timedelta(minutes=30)).minute
    with listening(closing, first):
        schedule(closing, f"{half_an_hour_ago} * * * *", tz="UTC", missed=missed)
        tick()
        last = due()
        due(timedelta(hours=3))
        assert (tick(), tick()) == (len(hours), 0)
        assert sent() == [last - timedelta(hours=one) for one in hours]


@pytest.mark.usefixtures("every_minute")
def test_a_tick_a_little_late_is_not_a_missed_one() -> None:
    schedules._schedules.clear()
    schedule(closing, "* * * * * *", missed="skip")  # each second
    due(timedelta(seconds=5))
    assert tick() >= 6


@pytest.mark.usefixtures("every_minute")
def test_a_paused_schedule_leaves_its_ticks_out() -> None:
    due()
    assert ledger.pause(PauseKind.SCHEDULE, NAME)
    assert tick() == 0
    ledger.resume(PauseKind.SCHEDULE, NAME)
    assert tick() == 0
    assert not Delivery.objects.exists()
    due()
    assert tick() == 1


@pytest.mark.usefixtures("every_minute")
def test_a_clock_that_is_set_back_sends_nothing_twice() -> None:
    due()
    assert tick() == 1
    Row.objects.update(next_at=timezone.now() + timedelta(hours=1))  # as it stands for a clock an hour behind
    assert tick() == 0


@pytest.mark.usefixtures("every_minute")
def test_a_new_definition_counts_from_now_and_the_old_one_is_gone() -> None:
    due()
    assert Pusher("0 0 1 1 *", zone=VIENNA).look() == 0
    row = Row.objects.get()
    assert (row.definition, row.next_at.astimezone(UTC).strftime("%d %H:%M")) == (f"0 0 1 1 * {VIENNA}", "31 23:00")


def test_code_of_before_leaves_a_schedule_with_a_new_definition_alone() -> None:
    old, new, begin = Pusher("* * * * * *"), Pusher("* * * * *"), datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC)
    assert (old.look(begin), new.look(begin)) == (0, 0)
    moment = begin + timedelta(seconds=30)
    assert (old.look(moment), Row.objects.get().next_at) == (0, moment)
    assert (new.look(moment), new.look(moment)) == (1, 0)


def test_code_of_before_that_starts_again_holds_a_schedule_until_it_is_gone() -> None:
    new, old, begin = Pusher("* * * * *"), Pusher("0 0 1 2 *"), datetime(2026, 1, 1, 12, tzinfo=UTC)
    for second in (0, 20, 40, 60, 80, 100, 120):
        for pusher in (new, old):
            pusher.look(begin + timedelta(seconds=second))
        assert Row.objects.get().definition == "0 0 1 2 * UTC"
    for second, definition in ((180, "0 0 1 2 * UTC"), (200, "* * * * * UTC")):
        new.look(begin + timedelta(seconds=second))
        assert Row.objects.get().definition == definition
    assert new.look(begin + timedelta(seconds=260)) == 1


@pytest.mark.usefixtures("every_minute")
def test_what_this_process_does_not_know_is_left_to_others() -> None:
    due()
    schedules._schedules.clear()
    schedule(closing, "* * * * *", key="another")
    assert tick() == 0
    assert Row.objects.get(key=NAME).next_at <= timezone.now()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("every_minute")
def test_of_pushers_that_look_at_the_same_time_one_hands_it_off() -> None:
    due()
    assert (sum(at_the_same_time(*[tick] * 4)), Delivery.objects.count()) == (1, 1)


AT_ONCE = 5
PERIODS = {1: "* * * * * *", 60: "* * * * *", 1200: "*/20 * * * *"}
STEPS = st.lists(
    st.tuples(st.sampled_from(["look", "be overtaken", "fail at", "start again"]), st.integers(0, 2))
    | st.tuples(st.just("go on"), st.sampled_from([1, 59, 61, 1200, 3 * 86400]) | st.integers(-90_000, 5000))
    | st.tuples(st.sampled_from(["pause or resume", "deploy"]), st.sampled_from(sorted(PERIODS))),
    min_size=10,
    max_size=40,
)


def on_the_record() -> list[int]:
    payloads = Delivery.objects.order_by("pk").values_list("payload", flat=True)
    return [int(decode_arguments(one).arguments["due"].timestamp()) for one in payloads]  # type: ignore[attr-defined]


def look(pusher: Pusher, clock: int, *, fails_at: int, is_overtaken: bool) -> None:
    """Look as a pusher does; another one with its code may look between what it reads and what it does."""
    read = ledger.due_schedules

    def overtaken(now: datetime) -> list[tuple[str, datetime]]:
        found = read(now)
        with patch.object(ledger, "due_schedules", read):
            tick()
        return found

    fault = [*[DEFAULT] * fails_at, OSError, *[DEFAULT] * AT_ONCE]
    with (
        patch.object(schedules, "AT_ONCE", AT_ONCE),
        patch.object(schedules, "send_tick", wraps=schedules.send_tick, side_effect=fault),
        patch.object(ledger, "due_schedules", overtaken if is_overtaken else read),
    ):
        pusher.look(datetime.fromtimestamp(clock, UTC))


@settings(deadline=None, max_examples=40)
@given(missed=..., steps=STEPS)
def test_whatever_pushers_and_the_clock_do_no_tick_is_there_twice(missed: Missed, steps: list[tuple[str, int]]) -> None:
    for table in (Delivery, Row, Pause):
        table._default_manager.all().delete()
    periods, entered, deployed = [60, 60, 60], [-math.inf] * 3, 0
    pushers = [Pusher(PERIODS[60], missed=missed) for _ in periods]
    clock, is_paused, period, confirmed, seen, first = 1_790_000_007, False, 0, 0, 0, 0  # ``seen``: the last tick
    for step, number in [("look", 0), *steps, ("look", 0)]:
        if step == "go on":
            clock += number
        elif step == "start again":
            pushers[number].entered, entered[number] = {}, -math.inf
        elif step == "pause or resume":
            assert (ledger.resume if is_paused else ledger.pause)(PauseKind.SCHEDULE, NAME)
            is_paused = not is_paused
        elif step == "deploy":
            pushers[deployed] = Pusher(PERIODS[number], missed=missed)
            periods[deployed], entered[deployed], deployed = number, -math.inf, (deployed + 1) % 3
        else:
            before, fails_at = on_the_record(), number if step == "fail at" else 3 * AT_ONCE
            look(pushers[number], clock, fails_at=fails_at, is_overtaken=step == "be overtaken")
            if abs(clock - entered[number]) >= CONFIRM.total_seconds():
                replaces = entered[number] == -math.inf or abs(clock - confirmed) > UNCONFIRMED.total_seconds()
                entered[number], own = clock, periods[number]
                if own != period and replaces:  # it counts from now
                    period, seen, first = own, clock // own * own, len(before)
                confirmed = clock if own == period else confirmed
            due = range(seen + period, clock + 1, period) if periods[number] == period else range(0)
            taken = list(due[:AT_ONCE])
            if missed != "all" and due and due[0] < clock - LATE:
                taken = [one for one in due[-1:] if missed == "once" or one >= clock - LATE]
            fails = len(taken) > fails_at and not is_paused
            after = on_the_record()
            assert after == before + ([] if fails or is_paused else taken)
            assert after[first:] == sorted(set(after[first:]))
            seen = seen if fails or not due else (taken or due)[-1]


def test_a_schedule_that_cannot_be_handed_off_is_logged_and_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    for key in ("a", "b", "c"):
        schedule(closing, "0 0 1 1 *", key=key)
    tick()
    Row.objects.update(next_at=timezone.now() - timedelta(seconds=1))
    with patch.object(schedules, "send_tick", wraps=schedules.send_tick, side_effect=[OSError, DEFAULT, DEFAULT]):
        assert tick() == 2
    (logged,) = caplog.records
    (left,) = Row.objects.filter(next_at__lte=timezone.now())
    assert logged.getMessage() == f"The schedule {left.key} cannot be handed off."
    assert tick() == 1


def test_a_schedule_that_cannot_be_entered_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    schedule(closing, "* * * * *", key="a")
    schedule(closing, "* * * * *", key="b")
    with patch.object(ledger, "enter_schedule", wraps=ledger.enter_schedule, side_effect=[OperationalError, DEFAULT]):
        assert tick() == 0
    assert [row.key for row in Row.objects.all()] == ["b"]
    assert tick() == 0
    assert [row.key for row in Row.objects.order_by("key")] == ["a", "b"]
    assert not caplog.records  # it may be a lock, of which only a debug log tells


def test_a_worker_that_does_not_know_the_schedule_puts_its_tick_off() -> None:
    schedule(closing, "* * * * *")
    due()
    tick()
    schedules._schedules.clear()
    drain(conf.queue)
    (left,) = Delivery.objects.all()
    assert (left.state, left.deferrals) == ("READY", 1)


def test_a_function_of_its_own_runs_at_each_tick() -> None:
    schedules.scheduled("* * * * *")(_nightly)
    (key,) = schedules.schedules()
    assert key == f"{__name__}._nightly"
    tick()
    Row.objects.update(next_at=timezone.now() - timedelta(seconds=1))
    assert tick() == 1
    drain(conf.queue)
    drain(conf.queue)
    assert _seen


_seen: list[Any] = []


def _nightly(sender: object, due: datetime, **kwargs: Any) -> None:
    _seen.append(due)


@override_settings(USE_TZ=False, TIME_ZONE=VIENNA)
def test_without_time_zones_the_record_has_the_projects_time() -> None:
    schedule(closing, "0 12 * * *")
    tick()
    assert timezone.is_naive(Row.objects.get().next_at)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("every day",), "is not five fields as in a crontab"),
        (("0 0 30 2 *",), 'is not five fields as in a crontab, such as "0 3 * * *": Bad day-of-month.'),
        ((3,), "is not five fields as in a crontab"),
        (("* * * * *", "Mars/Olympus"), "there is no time zone 'Mars/Olympus'."),
        (("* * * * *", "", "a\nkey"), "needs a key=... of 1 to 255 printable characters"),
        (("* * * * *", "", "", "twice"), 'missed=\'twice\' is not "once", "skip" or "all".'),
    ],
)
def test_a_schedule_that_cannot_be_read_is_refused(arguments: tuple[Any, ...], message: str) -> None:
    names = ("cron", "tz", "key", "missed")
    with pytest.raises(ReceiverError) as caught:
        schedule(closing, **dict(zip(names, arguments, strict=False)))
    assert message in str(caught.value)
    assert schedules.schedules() == {}


def test_a_second_schedule_of_a_signal_needs_a_key_of_its_own() -> None:
    schedule(closing, "0 3 * * *")
    schedule(closing, "0 3 * * *")  # the module was loaded once more
    with pytest.raises(ReceiverError, match=r"is there already, with '0 3 \* \* \*'. Give one of them a key=... \."):
        schedule(closing, "0 4 * * *")
    schedule(closing, "0 4 * * *", key="later")
    with pytest.raises(ReceiverError, match="its signal has no name"):
        schedule(Signal(), "0 4 * * *")
