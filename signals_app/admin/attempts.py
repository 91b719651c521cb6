"""Attempts that ended badly, in the admin: what went wrong, across deliveries."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from signals_app.admin import badges, durations
from signals_app.admin.filters import EndedFilter, OutcomeFilter
from signals_app.admin.name_filters import AttemptReceiverFilter, ErrorClassFilter
from signals_app.admin.records import RecordAdmin
from signals_app.admin.runs import time_of
from signals_app.logs import one_line
from signals_app.masking import masked_text
from signals_app.models import Attempt
from signals_app.operations.readable import process_name
from signals_app.operations.search import ATTEMPT_HELP, find_attempts


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
        return badges.outcome_badge(attempt)

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
        text = format_html("{} {}", badges.name(delivery.receiver), f"#{delivery.pk}")
        return badges.link_to(self.admin_site.name, delivery.pk, text)

    @admin.display(description=_("process"))
    def process(self, attempt: Attempt) -> str:
        """Host and pid."""
        return process_name(attempt.owner)

    @admin.display(description=_("started"))
    def started(self, attempt: Attempt) -> str:
        """When it began."""
        return durations.moment(attempt.started_at)

    @admin.display(description=_("finished"))
    def finished(self, attempt: Attempt) -> SafeString:
        """When it ended."""
        return badges.cell(gettext("Finished"), durations.moment(attempt.finished_at))

    @admin.display(description=_("ran"))
    def ran(self, attempt: Attempt) -> SafeString:
        """How long it took."""
        return badges.cell(gettext("Ran"), durations.written(time_of(attempt)))

    @admin.display(description=_("message"))
    def whole_message(self, attempt: Attempt) -> SafeString | str:
        """The error's message."""
        return _text(attempt.message)

    @admin.display(description=_("traceback"))
    def whole_traceback(self, attempt: Attempt) -> SafeString | str:
        """The error's traceback."""
        return _text(attempt.traceback)


def _text(text: str) -> SafeString | str:
    return format_html('<pre class="signals-text" tabindex="0">{}</pre>', masked_text(text)) if text else durations.NONE
