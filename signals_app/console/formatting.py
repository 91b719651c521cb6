"""States, durations, moments and owners as people read them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from signals_app.conf import VARIABLE, conf, main_queue
from signals_app.console.queries import Waiting, pauses_of
from signals_app.dispatcher import registry
from signals_app.dispatcher.emission import delivery_in
from signals_app.models import Delivery, Outcome, Pause, State
from signals_app.processes.identity import ProcessIdentity
from signals_app.redaction import masked, masked_text
from signals_app.redaction.logs import one_line, one_record

NONE = "\N{EN DASH}"
_SPACE = "\N{NO-BREAK SPACE}"
_WORD_END = re.compile(r"(?<=[._])(?=[^._])|(?<=[a-z])(?=[A-Z])")
_BATCH = re.compile("batch #([0-9]{1,18})")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-")


def readable_payload(payload: str, *, indent: int | None = 2) -> str:
    """Return JSON text, indented or in a line, its keys in their order and secrets masked; what is no JSON, as text."""
    try:
        written = json.dumps(masked(json.loads(payload)), indent=indent, ensure_ascii=False)
    except (ValueError, RecursionError):  # also for a number of too many digits
        written = one_record(masked_text(payload))
    return written.encode("utf-8", "backslashreplace").decode()  # lone surrogates, which no page can carry


def readable_name(text: str) -> str:
    """Return what others chose, such as a sender, on one line and with its secrets masked."""
    return one_line(masked_text(text))


def start_command(queue: str) -> str:
    """Return what starts a cluster of a queue."""
    return one_line(f"{'' if queue == main_queue() else f'{VARIABLE}={queue} '}python manage.py qcluster")


def process_name(owner: str) -> str:
    """Return an owner as host and pid; other text as one line."""
    process = ProcessIdentity.parse(owner)
    return one_line(_("%(host)s, pid %(pid)s") % {"host": process.host, "pid": process.pid} if process else owner)


def trace_id(traceparent: str) -> str:
    """Return the id of the trace that a W3C traceparent names; "" where it names none."""
    match = _TRACEPARENT.match(traceparent)
    return match[1] if match else ""


def trace_url(trace_id: str) -> str:
    """Return where the project's tracing shows a trace, by ``SIGNALS_APP["TRACE_URL"]``; "" where none is set."""
    return conf.trace_url.replace("{trace_id}", trace_id)


def has_run(delivery: Delivery) -> bool:
    """Tell whether ``started_at`` and ``due_at`` are of one attempt: the one that runs or came last.

    A retry, by backoff or by hand, moves ``due_at`` past the start of the attempt before it.
    """
    return delivery.state != State.READY and delivery.started_at is not None and delivery.due_at <= delivery.started_at


def waited(delivery: Delivery, now: datetime) -> timedelta | None:
    """Return how long the latest attempt waited once it was due, or how long a due delivery has been waiting.

    None where neither is known: not due yet, or cancelled before it ran.
    """
    if delivery.state == State.READY:
        return now - delivery.due_at if delivery.due_at <= now else None
    if delivery.started_at is None or not has_run(delivery):
        return None
    return delivery.started_at - delivery.due_at


def ran(delivery: Delivery, now: datetime) -> timedelta | None:
    """Return how long the latest attempt took, or has been running; None where none runs or ended it."""
    if delivery.started_at is None or not has_run(delivery):
        return None
    end = now if delivery.state == State.RUNNING else delivery.finished_at
    return max(end - delivery.started_at, timedelta()) if end else None


def written(duration: timedelta | float | None) -> str:
    """Write a duration, a number is seconds: ``4.2 ms``, ``1.35 s``, ``2 min 5 s``, ``3 h 12 min``, ``4 d 3 h``.

    A negative one, by clocks that disagree, is none at all: ``0.0 ms``.
    """
    if duration is None:
        return NONE
    seconds = max(0.0, duration.total_seconds() if isinstance(duration, timedelta) else duration)
    if seconds < 0.0995:
        return f"{seconds * 1000:.1f}{_SPACE}ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f}{_SPACE}ms"
    if seconds < 59.995:
        return f"{seconds:.2f}{_SPACE}s"
    whole = round(seconds)
    for size, unit, part, part_unit in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            return f"{whole // size}{_SPACE}{unit} {whole % size // part}{_SPACE}{part_unit}"
    return f"{whole}{_SPACE}s"


def roughly(duration: timedelta) -> str:
    """Write a duration in its largest unit, two of it at least: ``10 s``, ``5 min``, ``3 h``, ``2 d``."""
    seconds = max(1, math.ceil(duration.total_seconds()))
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{round(seconds / size)}{_SPACE}{unit}"
    return f"{seconds}{_SPACE}s"


def until(value: datetime, now: datetime) -> str:
    """Say how far a moment lies ahead or back: ``in 12.00 s``, ``3 min 2 s ago``."""
    if value > now:
        return _("in %(duration)s") % {"duration": written(value - now)}
    return _("%(duration)s ago") % {"duration": written(now - value)}


def stamp(moment: datetime) -> str:
    """Return a moment to the second, in the current time zone."""
    local = timezone.localtime(moment) if timezone.is_aware(moment) else moment
    return f"{local:%Y-%m-%d %H:%M:%S}"


def moment(value: datetime | None) -> str | SafeString:
    """Write a moment as ``stamp()`` does, as a ``<time>`` element."""
    if value is None:
        return NONE
    element = '<time class="signals-moment" datetime="{}"><span>{}</span> <span>{}</span></time>'
    return format_html(element, value.isoformat(), *stamp(value).split())


def icon(kind: str) -> SafeString:
    return format_html(
        '<svg class="signals-icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">'
        '<use href="{}#{}"></use></svg>',
        static("signals_app/icons.svg"),
        kind,
    )


def badge(kind: str, word: object) -> SafeString:
    """Return a badge; ``kind`` names its icon and its colours."""
    return format_html('<span class="signals-badge signals-{}">{}{}</span>', kind, icon(kind), word)


def standing(delivery: Delivery, pauses: Iterable[Pause], now: datetime) -> tuple[str, str]:
    """Return the state as people see it: the kind of its badge and its words.

    READY is why it waits: ``paused``, ``unroutable``, ``retrying in 10 s``, ``scheduled in 3 h``, ``turn in 5 min``, or
    ``ready``.
    """
    wait = {"wait": roughly(delivery.due_at - now)}
    match Waiting.of(delivery, pauses, now):
        case Waiting.SCHEDULED | Waiting.RETRYING if delivery.booked and delivery.due_at > now:
            return "scheduled", _("turn in %(wait)s") % wait
        case None:
            return kind_and_word(State, delivery.state)
        case Waiting.DUE:
            return "ready", _("ready")
        case Waiting.SCHEDULED:
            return "scheduled", _("scheduled in %(wait)s") % wait
        case Waiting.RETRYING:
            return "retry-after", _("retrying in %(wait)s") % wait if delivery.due_at > now else _("retrying now")
        case reason:
            return reason.value, str(reason.label)


def rate_words(delivery: Delivery) -> str:
    """Return which rate a delivery waits for; "" where it does not. Its receiver may be unknown here."""
    if delivery.state != State.READY or not delivery.booked:
        return ""
    receiver = registry.get(delivery.receiver)
    rate = receiver.options.rate if receiver else ""
    words = _("its turn by the rate %(rate)s") % {"rate": rate} if rate else _("its turn by a rate")
    return f"{words} ({readable_name(delivery.bucket)})" if delivery.bucket else words


def pause_words(pause: Pause) -> str:
    """Return by whom it is paused, until when and why, as far as that is known."""
    by = _("by %(who)s") % {"who": one_line(pause.by)} if pause.by else ""
    until = _("until %(moment)s") % {"moment": stamp(pause.until)[:-3]} if pause.until else ""
    reason = f"({readable_name(pause.reason)})" if pause.reason else ""
    return " ".join(filter(None, (by, until, reason)))


def paused_by(delivery: Delivery, pauses: Iterable[Pause]) -> str:
    """Return the words of the pauses that keep a delivery waiting; "" where nothing is paused or nothing known."""
    found = pauses_of(delivery, pauses) if delivery.state == State.READY else []
    return ", ".join(dict.fromkeys(filter(None, map(pause_words, found))))


def standing_badge(delivery: Delivery, pauses: Iterable[Pause], now: datetime) -> SafeString:
    said = Truncator(paused_by(delivery, pauses)).chars(80)
    return format_html("{} {}", badge(*standing(delivery, pauses, now)), said)


def kind_and_word(choices: type[State | Outcome], value: object) -> tuple[str, str]:
    """Return the kind of a state's or an outcome's badge and its word: what no version of the app wrote is itself."""
    if value not in choices.values:
        return "failed", str(value)
    return str(value).lower().replace("_", "-"), str(choices(value).label)


def progress_bar(delivery: Delivery) -> SafeString | str:
    """Return how far a delivery is, as a ``<progress>`` element; empty where its receiver never said."""
    if not delivery.progress_total:
        return ""
    return format_html(
        '<span class="signals-progress"><progress max="{total}" value="{done}" aria-label="{label}"></progress> '
        "{done}/{total}</span>",
        total=delivery.progress_total,
        done=delivery.progress_done,
        label=_("Progress"),
    )


def breakable(name: str) -> SafeString:
    """Return a name whose lines end between its words, where it is longer than its column is wide."""
    return format_html_join(SafeString("<wbr>"), "{}", ((word,) for word in _WORD_END.split(name)))


def name(dotted: str) -> SafeString | str:
    """Return a dotted name with its last part in front, so that a column of them can be read."""
    module, _dot, last = map(breakable, one_line(dotted).rpartition("."))
    return format_html('<span class="signals-name">{}<small>{}</small></span>', last, module) if module else last


def cell(label: object, value: object) -> SafeString:
    """Return a list's value with its column's name, which shows where a narrow screen has no room for columns."""
    return format_html('<span class="signals-label">{}</span> {}', label, value)


def address(site: str, name: str, *args: object) -> str:
    """Return the address of a page of ours in the ``AdminSite`` of that name: there may be more than one."""
    return reverse(f"admin:signals_app_{name}", args=args, current_app=site)


def link_to(site: str, delivery_id: int, text: object) -> SafeString:
    return format_html('<a href="{}">{}</a>', address(site, "delivery_change", delivery_id), text)


def link_to_batch(site: str, batch: int | None) -> SafeString | str:
    if batch is None:
        return NONE
    return format_html('<a href="{}">#{}</a>', address(site, "batch_change", batch), str(batch))


def place(site: str, sent_from: str) -> SafeString | str:
    """Return where an emission was sent from, with secrets masked; a delivery or a batch is a link."""
    if found := _BATCH.fullmatch(sent_from):
        return format_html("{} {}", _("batch"), link_to_batch(site, int(found[1])))
    delivery_id = delivery_in(sent_from)
    return readable_name(sent_from) if delivery_id is None else link_to(site, delivery_id, sent_from)
