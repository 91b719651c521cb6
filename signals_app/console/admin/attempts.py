"""Failed attempts in the admin: the list, and the page of one."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _

from signals_app.console import formatting
from signals_app.console.admin.filters import OF_ATTEMPTS
from signals_app.console.admin.lists import RecordAdmin, column
from signals_app.console.queries import ATTEMPT_HELP, find_attempts
from signals_app.models import Attempt, Outcome
from signals_app.redaction import masked_text
from signals_app.redaction.logs import one_line


def _whole(text: str) -> SafeString | str:
    shown = format_html('<pre class="signals-text" tabindex="0">{}</pre>', masked_text(text))
    return shown if text else formatting.NONE


class AttemptAdmin(RecordAdmin):
    list_display = ("attempt", "ended", "error", "of_delivery", "process", "ran", "finished")
    list_display_links = ("attempt",)
    list_filter = OF_ATTEMPTS
    search_fields = ("delivery__id", "error_class", "owner", "delivery__receiver")  # see find
    search_help_text = ATTEMPT_HELP
    find = staticmethod(find_attempts)
    sortable_by = ("attempt",)
    unlisted = ("traceback", "delivery__payload", "delivery__result")
    fields = readonly_fields = (
        *("of_delivery", "number", "ended", "process", "started", "finished", "ran"),
        *("error_class", "whole_message", "whole_traceback"),
    )

    # what the list and the page show
    ended = column(
        _("outcome"), lambda one: formatting.badge(*formatting.kind_and_word(Outcome, one.outcome)), is_labelled=False
    )
    process = column(_("process"), lambda one: formatting.process_name(one.owner), is_labelled=False)
    started = column(_("started"), lambda one: formatting.moment(one.started_at), is_labelled=False)
    finished = column(_("finished"), lambda one: formatting.moment(one.finished_at))
    ran = column(_("ran"), lambda one: formatting.written(one.started_at and one.finished_at - one.started_at))
    whole_message = column(_("message"), lambda one: _whole(one.message), is_labelled=False)
    whole_traceback = column(_("traceback"), lambda one: _whole(one.traceback), is_labelled=False)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Attempt]:
        return super().get_queryset(request).select_related("delivery")

    @admin.display(description=_("attempt"), ordering="pk")
    def attempt(self, attempt: Attempt) -> str:
        return f"#{attempt.delivery_id} · {attempt.number}"

    @admin.display(description=_("error"))
    def error(self, attempt: Attempt) -> SafeString:
        name = formatting.breakable(one_line(attempt.error_class).rpartition(".")[2])
        message = Truncator(masked_text(attempt.message)).chars(160)
        return format_html('<span class="signals-excerpt"><b>{}</b> {}</span>', name, message)

    @admin.display(description=_("delivery"))
    def of_delivery(self, attempt: Attempt) -> SafeString:
        text = format_html("{} {}", formatting.name(attempt.delivery.receiver), f"#{attempt.delivery_id}")
        return formatting.link_to(self.admin_site.name, attempt.delivery_id, text)
