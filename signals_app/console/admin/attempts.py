"""The list of attempts, and the runs of one delivery."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _

from signals_app.console import formatting
from signals_app.console.admin.changelist import RecordAdmin, column
from signals_app.console.admin.filters import OF_ATTEMPTS
from signals_app.console.formatting import process_name
from signals_app.console.queries import ATTEMPT_HELP, find_attempts
from signals_app.models import Attempt, Delivery, State
from signals_app.redaction import masked_text
from signals_app.redaction.logs import one_line

# one execution: a failed attempt, or the attempt that runs or succeeded, which leaves no row of its own
Run = dict[str, Any]


def runs_of(delivery: Delivery, newest: list[Attempt], now: datetime) -> list[Run]:
    """Return the executions in order, the last one from the delivery itself where it has not failed."""
    runs: list[Run] = [
        {
            "key": str(attempt.pk),
            "number": attempt.number,
            "badge": formatting.outcome_badge(attempt),
            "process": process_name(attempt.owner),
            "started": formatting.moment(attempt.started_at),
            "ran": _ran(attempt),
            "error_class": one_line(attempt.error_class),
            "message": masked_text(attempt.message),
            "traceback": masked_text(attempt.traceback),
        }
        for attempt in reversed(newest)
    ]
    has_failed = any(attempt.number == delivery.attempts for attempt in newest)
    if formatting.has_run(delivery) and (delivery.state == State.RUNNING or not has_failed):
        last = {
            "key": "last",
            "number": delivery.attempts,
            "badge": formatting.state_badge(delivery),
            "process": process_name(delivery.owner),
            "started": formatting.moment(delivery.started_at),
            "ran": formatting.written(formatting.ran(delivery, now)),
        }
        runs.append(last)
    return runs


def _ran(attempt: Attempt) -> str:
    return formatting.written(None if attempt.started_at is None else attempt.finished_at - attempt.started_at)


def _whole(text: str) -> SafeString | str:
    return (
        format_html('<pre class="signals-text" tabindex="0">{}</pre>', masked_text(text)) if text else formatting.NONE
    )


class AttemptAdmin(RecordAdmin):
    """The list and the page of attempts."""

    list_display = ("attempt", "ended", "error", "of_delivery", "process", "ran", "finished")
    list_display_links = ("attempt",)
    list_filter = OF_ATTEMPTS
    search_fields = ("delivery__id", "error_class", "owner", "delivery__receiver")  # see find
    search_help_text = ATTEMPT_HELP
    find = staticmethod(find_attempts)
    sortable_by = ("attempt",)
    unlisted = ("traceback", "delivery__payload")
    fields = readonly_fields = (
        *("of_delivery", "number", "ended", "process", "started", "finished", "ran"),
        *("error_class", "whole_message", "whole_traceback"),
    )

    # what the list and the page show
    ended = column(_("outcome"), formatting.outcome_badge, is_labelled=False)
    process = column(_("process"), lambda attempt: process_name(attempt.owner), is_labelled=False)
    started = column(_("started"), lambda attempt: formatting.moment(attempt.started_at), is_labelled=False)
    finished = column(_("finished"), lambda attempt: formatting.moment(attempt.finished_at))
    ran = column(_("ran"), _ran)
    whole_message = column(_("message"), lambda attempt: _whole(attempt.message), is_labelled=False)
    whole_traceback = column(_("traceback"), lambda attempt: _whole(attempt.traceback), is_labelled=False)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Attempt]:
        return super().get_queryset(request).select_related("delivery")

    @admin.display(description=_("attempt"), ordering="pk")
    def attempt(self, attempt: Attempt) -> str:
        return f"#{attempt.delivery_id} · {attempt.number}"

    @admin.display(description=_("error"))
    def error(self, attempt: Attempt) -> SafeString:
        name = one_line(attempt.error_class).rpartition(".")[2]
        message = Truncator(masked_text(attempt.message)).chars(160)
        return format_html('<span class="signals-excerpt"><b>{}</b> {}</span>', name, message)

    @admin.display(description=_("delivery"))
    def of_delivery(self, attempt: Attempt) -> SafeString:
        text = format_html("{} {}", formatting.name(attempt.delivery.receiver), f"#{attempt.delivery_id}")
        return formatting.link_to(self.admin_site.name, attempt.delivery_id, text)
