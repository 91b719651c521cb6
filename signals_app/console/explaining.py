"""Why a delivery stands where it stands, in one sentence: for the admin and for ``manage.py deliveries explain``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from signals_app import ledger
from signals_app.conf import VARIABLE, main_queue
from signals_app.console.formatting import (
    pause_words,
    process_name,
    ran,
    rate_words,
    readable_name,
    roughly,
    stamp,
    until,
    written,
)
from signals_app.console.queries import Waiting, ahead_of, pauses_of
from signals_app.models import Attempt, Delivery, Outcome, Pause, State
from signals_app.redaction import masked_text
from signals_app.redaction.logs import one_line

LONGEST = 200  # characters of an error's message
_CANCELLED = (Outcome.SKIPPED, Outcome.EXPIRED, Outcome.CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A delivery, and what the rules ask about it; ``waiting`` is None where it does not wait."""

    delivery: Delivery
    pauses: Sequence[Pause]  # its own
    last: Attempt | None  # that failed
    now: datetime
    waiting: Waiting | None

    @property
    def place(self) -> dict[str, object]:
        """Which of how many attempts it is at."""
        return {"number": self.delivery.attempts, "most": self.delivery.max_attempts}


def explain(delivery: Delivery, *, pauses: Sequence[Pause], last: Attempt | None, now: datetime) -> str:
    """Return the one reason for which a delivery waits, who runs it, or how it ended: three queries at most.

    ``last`` is its last failed attempt.
    """
    case = Case(
        delivery=delivery,
        pauses=pauses_of(delivery, pauses),
        last=last,
        now=now,
        waiting=Waiting.of(delivery, pauses, now),
    )
    return next(filter(None, (rule(case) for rule in RULES)))


def last_failed(attempts: Sequence[Attempt]) -> Attempt | None:
    """Return the first of these, the newest first, that is not of a claim which others had taken over."""
    return next((one for one in attempts if one.outcome != Outcome.STALE), None)


def _paused(case: Case) -> str:
    if case.waiting != Waiting.PAUSED:
        return ""
    if not case.pauses:
        return _("Its receiver was paused and is no longer; a running cluster of its queue brings it back.")
    named = (
        " ".join(filter(None, (one.get_kind_display(), one_line(one.name), pause_words(one)))) for one in case.pauses
    )
    return _("Paused: %(names)s. What waits for it is kept.") % {"names": ", ".join(named)}


def _unroutable(case: Case) -> str:
    if case.waiting != Waiting.UNROUTABLE:
        return ""
    return _(
        "The last worker that claimed it did not know its receiver. Start a cluster from code that has it, "
        "or give it to another receiver."
    )


def _in_lane(case: Case) -> str:
    if case.waiting != Waiting.BEHIND:
        return ""
    words: dict[str, object] = {"lane": readable_name(case.delivery.lane), "count": case.delivery.concurrency}
    if (ahead := ahead_of(case.delivery)) is None:
        return _("Nothing is ahead of it in the lane %(lane)s any more; a running cluster brings it back.") % words
    words |= {"ahead": f"#{ahead.pk}", "state": ahead.get_state_display()}
    if case.delivery.concurrency:
        return (
            ngettext(
                "Of the lane %(lane)s, %(count)d may run at a time: %(ahead)s does.",
                "Of the lane %(lane)s, %(count)d may run at a time; %(ahead)s and others do.",
                case.delivery.concurrency,
            )
            % words
        )
    return _("It waits in the lane %(lane)s for %(ahead)s, which comes first and is %(state)s.") % words


def _later(case: Case) -> str:
    delivery = case.delivery
    if case.waiting is None or delivery.due_at <= case.now:
        return ""
    if delivery.booked:
        turn = {"turn": rate_words(delivery), "when": _when(case, delivery.due_at)}
        return _("It waits for %(turn)s, which comes %(when)s.") % turn
    words = {**case.place, "next": delivery.attempts + 1, "when": _when(case, delivery.due_at)}
    if case.waiting == Waiting.SCHEDULED:
        return (_("Its receiver put it off: due %(when)s.") if delivery.deferrals else _("It is due %(when)s.")) % words
    if case.last is None:
        return _("Attempt %(next)d of %(most)d is due %(when)s.") % words
    words["error"] = one_line(case.last.error_class) or case.last.get_outcome_display()
    return _("Attempt %(number)d ended with %(error)s; attempt %(next)d of %(most)d is due %(when)s.") % words


def _no_cluster(case: Case) -> str:
    queue = case.delivery.queue
    if case.waiting is None or any(one.is_alive and one.queue == queue for one in ledger.clusters()):
        return ""
    command = "python manage.py qcluster" if queue == main_queue() else f"{VARIABLE}={queue} python manage.py qcluster"
    words = {"queue": one_line(queue), "command": one_line(command)}
    return _("It is due, and its queue %(queue)s has no living cluster. Start one: %(command)s") % words


def _behind(case: Case) -> str:
    if case.waiting is None or not (count := ledger.count_ahead(case.delivery)):
        return ""
    is_more, pace = count >= ledger.MANY, ledger.pace(case.delivery.queue)
    said = ngettext(
        "It is due; %(count)s delivery of its queue comes first",
        "It is due; %(count)s deliveries of its queue come first",
        count,
    )
    words: dict[str, object] = {"count": _("%(count)s or more") % {"count": f"{count:,}"} if is_more else f"{count:,}"}
    if pace is None:
        return (said + ".") % words
    words |= {"time": roughly(timedelta(seconds=count / pace)), "pace": f"{pace:,.3g}"}
    said += (
        _(": at least %(time)s at the pace of the last minute, %(pace)s a second.")
        if is_more
        else _(": about %(time)s at the pace of the last minute, %(pace)s a second.")
    )
    return said % words


def _next(case: Case) -> str:
    return _("It is due and the first of its queue: the next free worker takes it.") if case.waiting else ""


def _runs(case: Case) -> str:
    delivery = case.delivery
    if delivery.state != State.RUNNING:
        return ""
    who = process_name(delivery.owner)
    if delivery.lease_until is None or delivery.lease_until <= case.now:
        return _("The lease of %(who)s is over; a cluster of its queue counts the attempt as lost.") % {"who": who}
    words = {**case.place, "who": who, "time": written(ran(delivery, case.now))}
    words["lease"] = until(delivery.lease_until, case.now)
    return _("%(who)s has been running attempt %(number)d of %(most)d for %(time)s; its lease ends %(lease)s.") % words


def _ended(case: Case) -> str:
    delivery = case.delivery
    when = until(delivery.finished_at, case.now) if delivery.finished_at else ""
    words = {**case.place, "when": when, "why": _error(case.last), "time": written(ran(delivery, case.now))}
    match delivery.state:
        case State.MERGED:
            return _("It was merged %(when)s into #%(into)d, which runs in its place.") % {
                "when": when,
                "into": delivery.merged_into or 0,
            }
        case State.SUCCESSFUL:
            return _("Attempt %(number)d of %(most)d succeeded %(when)s and took %(time)s.") % words
        case State.FAILED if case.last:
            return _("It failed %(when)s, for good, in attempt %(number)d of %(most)d: %(why)s") % words
        case State.FAILED:
            return _("It failed %(when)s, for good, in attempt %(number)d of %(most)d.") % words
        case State.CANCELLED if case.last and case.last.outcome in (
            Outcome.SKIPPED,
            Outcome.EXPIRED,
            Outcome.CANCELLED,
        ):
            return _("It was cancelled %(when)s: %(why)s") % words
        case State.CANCELLED:
            return _("It was cancelled %(when)s, while it waited.") % words
    return readable_name(delivery.state)  # which no version of the app wrote


def _error(attempt: Attempt | None) -> str:
    if attempt is None:
        return ""
    said = one_line(masked_text(attempt.message))
    return ": ".join(filter(None, (one_line(attempt.error_class), said[:LONGEST])))


def _when(case: Case, moment: datetime) -> str:
    return f"{until(moment, case.now)} ({stamp(moment)})"


# Why, each for one reason, which says nothing ("") where it is not that; the first that says something is told.
RULES: tuple[Callable[[Case], str], ...] = (
    _runs,
    _paused,
    _in_lane,
    _unroutable,
    _later,
    _no_cluster,
    _behind,
    _next,
    _ended,
)
