"""The list of attempts, and the runs of one delivery."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from signals_app.console import formatting
from signals_app.console.admin.changelist import RecordAdmin
from signals_app.console.admin.filters import AttemptReceiverFilter, EndedFilter, ErrorClassFilter, OutcomeFilter
from signals_app.console.formatting import process_name
from signals_app.console.queries import ATTEMPT_HELP, find_attempts
from signals_app.models import Attempt, Delivery, State
from signals_app.redaction import masked_text
from signals_app.redaction.records import one_line


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution: a bad end, or the attempt that runs or succeeded, which leaves no row of its own.

    ``key`` tells it from the others of its delivery.
    """

    key: str
    number: int
    badge: str | SafeString
    process: str
    started: str | SafeString
    ran: str
    error_class: str = ""
    message: str = ""
    traceback: str = ""


def runs_of(delivery: Delivery, newest: list[Attempt], now: datetime) -> list[Run]:
    """Return the executions in order, the last one from the delivery itself where it has not ended badly."""
    runs = [_run(attempt) for attempt in reversed(newest)]
    ended_badly = any(attempt.number == delivery.attempts for attempt in newest)
    if formatting.has_run(delivery) and (delivery.state == State.RUNNING or not ended_badly):
        runs.append(_last_run(delivery, now))
    return runs


def _run(attempt: Attempt) -> Run:
    return Run(
        key=str(attempt.pk),
        number=attempt.number,
        badge=formatting.outcome_badge(attempt),
        process=process_name(attempt.owner),
        started=formatting.moment(attempt.started_at),
        ran=formatting.written(time_of(attempt)),
        error_class=one_line(attempt.error_class),
        message=masked_text(attempt.message),
        traceback=masked_text(attempt.traceback),
    )


def time_of(attempt: Attempt) -> timedelta | None:
    """Return how long an attempt took; None where its start is not known."""
    return None if attempt.started_at is None else attempt.finished_at - attempt.started_at


def _last_run(delivery: Delivery, now: datetime) -> Run:
    return Run(
        key="last",
        number=delivery.attempts,
        badge=formatting.state_badge(delivery),
        process=process_name(delivery.owner),
        started=formatting.moment(delivery.started_at),
        ran=formatting.written(formatting.ran(delivery, now)),
    )


class AttemptAdmin(RecordAdmin):
    """The list and the page of attempts."""

    list_display = ("attempt", "ended", "error", "of_delivery", "process", "ran", "finished")
    list_display_links = ("attempt",)
    list_filter = (OutcomeFilter, ErrorClassFilter, AttemptReceiverFilter, EndedFilter)
    search_fields = ("delivery__id", "error_class", "owner", "delivery__receiver")  # see find
    search_help_text = ATTEMPT_HELP
    date_hierarchy = "finished_at"
    sortable_by = ("attempt",)
    unlisted = ("traceback", "delivery__payload")
    fields = (
        "of_delivery",
        "number",
        "ended",
        "process",
        "started",
        "finished",
        "ran",
        "error_class",
        "whole_message",
        "whole_traceback",
    )
    readonly_fields = fields

    @staticmethod
    def find(rows: QuerySet[Attempt], text: str) -> QuerySet[Attempt]:
        """Return the attempts that match every word."""
        return find_attempts(rows, text)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Attempt]:
        """Read each with its delivery."""
        return super().get_queryset(request).select_related("delivery")

    @admin.display(description=_("attempt"), ordering="pk")
    def attempt(self, attempt: Attempt) -> str:
        """Which attempt of which delivery."""
        return f"#{attempt.delivery_id} · {attempt.number}"

    @admin.display(description=_("outcome"))
    def ended(self, attempt: Attempt) -> SafeString:
        """How it ended."""
        return formatting.outcome_badge(attempt)

    @admin.display(description=_("error"))
    def error(self, attempt: Attempt) -> SafeString:
        """The class of the error and the beginning of its message."""
        message = Truncator(masked_text(attempt.message)).chars(160)
        return format_html(
            '<span class="signals-excerpt"><b>{}</b> {}</span>',
            one_line(attempt.error_class).rpartition(".")[2],
            message,
        )

    @admin.display(description=_("delivery"))
    def of_delivery(self, attempt: Attempt) -> SafeString:
        """Its delivery, linked."""
        delivery = attempt.delivery
        text = format_html("{} {}", formatting.name(delivery.receiver), f"#{delivery.pk}")
        return formatting.link_to(self.admin_site.name, delivery.pk, text)

    @admin.display(description=_("process"))
    def process(self, attempt: Attempt) -> str:
        """Host and pid."""
        return process_name(attempt.owner)

    @admin.display(description=_("started"))
    def started(self, attempt: Attempt) -> str:
        """When it began."""
        return formatting.moment(attempt.started_at)

    @admin.display(description=_("finished"))
    def finished(self, attempt: Attempt) -> SafeString:
        """When it ended."""
        return formatting.cell(gettext("Finished"), formatting.moment(attempt.finished_at))

    @admin.display(description=_("ran"))
    def ran(self, attempt: Attempt) -> SafeString:
        """How long it took."""
        return formatting.cell(gettext("Ran"), formatting.written(time_of(attempt)))

    @admin.display(description=_("message"))
    def whole_message(self, attempt: Attempt) -> SafeString | str:
        """The error's message."""
        return _text(attempt.message)

    @admin.display(description=_("traceback"))
    def whole_traceback(self, attempt: Attempt) -> SafeString | str:
        """The error's traceback."""
        return _text(attempt.traceback)


def _text(text: str) -> SafeString | str:
    if not text:
        return formatting.NONE
    return format_html('<pre class="signals-text" tabindex="0">{}</pre>', masked_text(text))
