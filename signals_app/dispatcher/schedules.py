"""Schedules: signals that the clock sends, once for each tick, whichever clusters are there at the time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, Unpack
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError
from django.conf import settings
from django.db import OperationalError
from django.dispatch import Signal
from django.utils import timezone

from signals_app import ledger
from signals_app.conf import conf
from signals_app.dispatcher.emission import Origin, sent_from
from signals_app.dispatcher.options import OptionArguments
from signals_app.dispatcher.receivers import QueuedReceiver, Receiver, queued, queued_receiver
from signals_app.exceptions import Defer, ReceiverError
from signals_app.models import PauseKind
from signals_app.payloads import names
from signals_app.redaction.logs import get_logger

logger = get_logger("signals_app.dispatcher")

Missed = Literal["once", "skip", "all"]
CONFIRM = timedelta(seconds=20)  # how often a process says that it has the definition on the record
LATE = 60.0  # seconds after which a tick counts as missed
AT_ONCE = 100  # missed ticks of one schedule that one look makes up for


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A signal, and when it is sent; ``zone`` is a name of the IANA database, "" the project's own."""

    key: str
    signal: Signal
    cron: str
    zone: str
    missed: Missed

    @property
    def text(self) -> str:
        """What the record compares, to know a new definition."""
        return f"{self.cron} {self.zone or settings.TIME_ZONE}"

    def after(self, moment: datetime) -> datetime:
        """Return the first tick after a moment, both aware."""
        return next(self._ticks(moment))

    def last_until(self, moment: datetime) -> datetime:
        """Return the last tick that is not after a moment, both aware."""
        return next(self._ticks(self.after(moment), reverse=True))

    def _ticks(self, moment: datetime, *, reverse: bool = False) -> CronSim:
        zone = ZoneInfo(self.zone) if self.zone else timezone.get_default_timezone()
        return CronSim(self.cron, moment.astimezone(zone), reverse=reverse)


_schedules: dict[str, Schedule] = {}
_entered: dict[str, datetime] = {}  # by key, when this process last put its definition on the record


def schedules() -> dict[str, Schedule]:
    """Return the schedules that this process knows, by key."""
    return dict(sorted(_schedules.items()))


def schedule(signal: Signal, cron: str, *, tz: str = "", key: str = "", missed: Missed = "once") -> None:
    """Have the clusters send a signal at each tick of a clock, with the argument ``due``, the tick's time.

    ``cron`` has five fields as Debian's cron reads them, or six, seconds first. ``tz`` is a time zone, by default the
    project's. After a time without clusters ``missed`` decides: the last missed tick is made up for (``once``), none
    (``skip``), or each (``all``). ``key`` is its name, by default the signal's. Raises ReceiverError for what cannot
    be read, for a signal without a name where there is no key, and for the key of another schedule.
    """
    key = key or names.signal_name(signal)
    said = f"schedule({cron!r})"
    if not key or len(key) > 255 or not key.isprintable():
        raise ReceiverError(f"{said} needs a key=... of 1 to 255 printable characters; its signal has no name.")
    if missed not in ("once", "skip", "all"):
        raise ReceiverError(f'{said}: missed={missed!r} is not "once", "skip" or "all".')
    try:
        tz and ZoneInfo(tz)
    except (ZoneInfoNotFoundError, ValueError, OSError, TypeError) as error:
        raise ReceiverError(f"{said}: there is no time zone {tz!r}.") from error
    try:
        next(CronSim(cron, datetime(2000, 1, 1)))  # noqa: DTZ001  # any zone will do
    except (CronSimError, StopIteration, AttributeError, TypeError) as error:
        raise ReceiverError(f'{said} is not five fields as in a crontab, such as "0 3 * * *": {error}.') from error
    made = Schedule(key=key, signal=signal, cron=cron, zone=tz, missed=missed)
    known = _schedules.setdefault(key, made)
    if (known.cron, known.zone) != (cron, tz):
        raise ReceiverError(f"The schedule {key!r} is there already, with {known.cron!r}. Give one of them a key=... .")
    _schedules[key] = made  # of a module that is loaded once more


def scheduled(
    cron: str,
    *,
    signal: Signal | None = None,
    tz: str = "",
    missed: Missed = "once",
    **options: Unpack[OptionArguments],
) -> Callable[[Receiver], QueuedReceiver]:
    """Make a function a queued receiver that runs at each tick, as ``schedule`` and ``queued_receiver`` do together.

    It gets ``due``, the time of the tick. Without a signal of yours, the schedule has one that nobody else hears.
    """

    def connect(function: Receiver) -> QueuedReceiver:
        sent = Signal() if signal is None else signal
        made = queued_receiver(sent, **options)(function)
        schedule(sent, cron, tz=tz, missed=missed, key=made.key if signal is None else "")
        return made

    return connect


def tick() -> int:
    """Hand off the ticks that are due, each once, whoever else looks; return how many. A pusher calls it each second.

    A tick is a delivery, whose receiver sends the signal. It is written in the transaction in which the schedule moves
    on to the next tick. While old and new code run, that is left to those whose definition is on the record: that of
    the process that started last, until nobody confirms it any more.
    """
    if not _schedules:
        return 0
    now, count = ledger.now(), 0
    for key, known in _schedules.items():
        entered = _entered.get(key)
        if entered is None or abs(now - entered) >= CONFIRM:
            with _by_itself(key):
                first = _stored(known.after(_aware(now)))
                with ledger.short_lock_timeout():
                    ledger.enter_schedule(key, known.text, first=first, now=now, replaces=entered is None)
                _entered[key] = now
    for key, due in ledger.due_schedules(now):
        if key in _schedules:
            with _by_itself(key):
                count += _tick(_schedules[key], due, now)
    return count


@contextmanager
def _by_itself(key: str) -> Iterator[None]:
    """Log what goes wrong with one schedule, so that the others have their turn; the next look tries again."""
    try:
        yield
    except OperationalError as error:  # a receiver may hold SQLite's lock for a while
        logger.debug("The schedule %s is not handed off yet: %s", key, error)
    except Exception:  # whatever the encoding of its tick, or the project's context, raises
        logger.exception("The schedule %s cannot be handed off.", key)


def _tick(known: Schedule, due: datetime, now: datetime) -> int:
    first, moment = _aware(due), _aware(now)
    if known.missed != "all" and (moment - first).total_seconds() > LATE:
        last, following = known.last_until(moment), known.after(moment)
        ticks = [] if known.missed == "skip" and (moment - last).total_seconds() > LATE else [last]
    else:
        ticks, following = [first], known.after(first)
        while following <= moment and len(ticks) < AT_ONCE:
            ticks.append(following)
            following = known.after(following)
    with ledger.short_lock_timeout():
        moved = ledger.move_schedule(known.key, known.text, since=due, to=_stored(following))
        if not moved or ledger.is_paused(PauseKind.SCHEDULE, known.key):
            return 0
        with sent_from(Origin(place=f"schedule {known.key}")):
            for one in ticks:
                send_tick(signal=known.signal, sender=known.key, schedule=known.key, due=one)
    return len(ticks)


@queued(key="signals_app.tick", atomic=True)
def send_tick(sender: str, schedule: str, due: datetime, **kwargs: Any) -> None:
    """Send the signal of a schedule, in a worker."""
    if (known := _schedules.get(schedule)) is None:
        raise Defer(conf.unroutable_delay, f"This worker knows no schedule {schedule!r}.")
    known.signal.send(sender=schedule, due=due)


def _aware(moment: datetime) -> datetime:
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment)


def _stored(moment: datetime) -> datetime:
    return moment if settings.USE_TZ else timezone.make_naive(moment)
