"""Why a delivery stands where it stands, in one sentence: for the admin and for ``manage.py deliveries explain``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from signals_app import ledger
from signals_app.console.formatting import (
    pause_words,
    process_name,
    ran,
    rate_words,
    readable_name,
    roughly,
    stamp,
    start_command,
    until,
    written,
)
from signals_app.console.queries import Waiting, ahead_of, pauses_of
from signals_app.models import Attempt, Delivery, Outcome, Pause, State
from signals_app.redaction import masked_text
from signals_app.redaction.logs import one_line

LONGEST = 200  # characters of an error's message


def explain(delivery: Delivery, *, pauses: Sequence[Pause], last: Attempt | None, now: datetime) -> str:
    """Return the one reason for which a delivery waits, who runs it, or how it ended: three queries at most.

    ``last`` is its last failed attempt.
    """
    match Waiting.of(delivery, pauses, now):
        case None if delivery.state == State.RUNNING:
            return _runs(delivery, now)
        case None:
            return _ended(delivery, last, now)
        case Waiting.PAUSED:
            return _paused(pauses_of(delivery, pauses))
        case Waiting.BEHIND:
            return _in_lane(delivery)
        case Waiting.UNROUTABLE:
            return _(
                "The last worker that claimed it did not know its receiver. Start a cluster from code that has it, "
                "or give it to another receiver."
            )
        case waiting if delivery.due_at > now:
            return _later(delivery, waiting, last, now)
    if not any(one.is_alive and one.queue == delivery.queue for one in ledger.clusters()):
        return _no_cluster(delivery.queue)
    if count := ledger.count_ahead(delivery):
        return _after_others(count, ledger.pace(delivery.queue))
    return _("It is due and the first of its queue: the next free worker takes it.")


def last_failed(attempts: Sequence[Attempt]) -> Attempt | None:
    """Return the first of these, the newest first, that is not of a claim which others had taken over."""
    return next((one for one in attempts if one.outcome != Outcome.STALE), None)


def _place(delivery: Delivery) -> dict[str, object]:
    return {"number": delivery.attempts, "most": delivery.max_attempts}


def _paused(pauses: Sequence[Pause]) -> str:
    if not pauses:
        return _("Its receiver was paused and is no longer; a running cluster of its queue brings it back.")
    named = (" ".join(filter(None, (one.get_kind_display(), one_line(one.name), pause_words(one)))) for one in pauses)
    return _("Paused: %(names)s. What waits for it is kept.") % {"names": ", ".join(named)}


def _in_lane(delivery: Delivery) -> str:
    words: dict[str, object] = {"lane": readable_name(delivery.lane), "count": delivery.concurrency}
    if (ahead := ahead_of(delivery)) is None:
        return _("Nothing is ahead of it in the lane “%(lane)s” any more; a running cluster brings it back.") % words
    words |= {"ahead": f"#{ahead.pk}", "state": ahead.get_state_display()}
    if not delivery.concurrency:
        return _("It waits in the lane “%(lane)s” for %(ahead)s, which comes first and is %(state)s.") % words
    said = ngettext(
        "Of the lane “%(lane)s”, %(count)d may run at a time: %(ahead)s does.",
        "Of the lane “%(lane)s”, %(count)d may run at a time; %(ahead)s and others do.",
        delivery.concurrency,
    )
    return said % words


def _later(delivery: Delivery, waiting: Waiting, last: Attempt | None, now: datetime) -> str:
    when = f"{until(delivery.due_at, now)} ({stamp(delivery.due_at)})"
    if delivery.booked:
        return _("It waits for %(turn)s, which comes %(when)s.") % {"turn": rate_words(delivery), "when": when}
    words = {**_place(delivery), "next": delivery.attempts + 1, "when": when}
    if waiting == Waiting.SCHEDULED:
        return (_("Its receiver put it off: due %(when)s.") if delivery.deferrals else _("It is due %(when)s.")) % words
    if last is None:
        return _("Attempt %(next)d of %(most)d is due %(when)s.") % words
    words["error"] = one_line(last.error_class) or last.get_outcome_display()
    return _("Attempt %(number)d ended with %(error)s; attempt %(next)d of %(most)d is due %(when)s.") % words


def _no_cluster(queue: str) -> str:
    words = {"queue": one_line(queue), "command": start_command(queue)}
    return _("It is due, and its queue %(queue)s has no living cluster. Start one: %(command)s") % words


def _after_others(count: int, pace: float | None) -> str:
    is_more = count >= ledger.MANY
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


def _runs(delivery: Delivery, now: datetime) -> str:
    who = process_name(delivery.owner)
    if delivery.lease_until is None or delivery.lease_until <= now:
        return _("The lease of %(who)s is over; a cluster of its queue counts the attempt as lost.") % {"who": who}
    words = {**_place(delivery), "who": who, "time": written(ran(delivery, now))}
    words["lease"] = until(delivery.lease_until, now)
    return _("%(who)s has been running attempt %(number)d of %(most)d for %(time)s; its lease ends %(lease)s.") % words


def _ended(delivery: Delivery, last: Attempt | None, now: datetime) -> str:
    words: dict[str, object] = {**_place(delivery), "into": delivery.merged_into or 0, "why": _error(last)}
    words |= {"when": until(delivery.finished_at, now) if delivery.finished_at else ""}
    words |= {"time": written(ran(delivery, now))}
    match delivery.state:
        case State.MERGED:
            said = _("It was merged %(when)s into #%(into)d, which runs in its place.")
        case State.SUCCESSFUL:
            said = _("Attempt %(number)d of %(most)d succeeded %(when)s and took %(time)s.")
        case State.FAILED:
            said = _("It blocks its lane.") + " " if delivery.blocks_lane else ""
            if last:
                said += _("It failed %(when)s, for good, in attempt %(number)d of %(most)d: %(why)s")
            else:
                said += _("It failed %(when)s, for good, in attempt %(number)d of %(most)d.")
        case State.CANCELLED if last and last.outcome in (Outcome.SKIPPED, Outcome.EXPIRED, Outcome.CANCELLED):
            said = _("It was cancelled %(when)s: %(why)s")
        case State.CANCELLED:
            said = _("It was cancelled %(when)s, while it waited.")
        case _other:
            return readable_name(delivery.state)  # which no version of the app wrote
    return said % words


def _error(attempt: Attempt | None) -> str:
    if attempt is None:
        return ""
    said = one_line(masked_text(attempt.message))
    return ": ".join(filter(None, (one_line(attempt.error_class), said[:LONGEST])))
