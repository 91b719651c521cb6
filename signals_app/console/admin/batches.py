"""Batches in the admin: the list with how far each is, and the page of one."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from signals_app.console import formatting
from signals_app.console.admin.filters import by_choice, by_name, by_number
from signals_app.console.admin.lists import RecordAdmin, column
from signals_app.console.queries import BATCH_HELP, BatchStanding, batch_stands_as, find_batches, progress_of
from signals_app.models import Batch, State
from signals_app.redaction.logs import one_line


class BatchAdmin(RecordAdmin):
    list_display = ("number", "standing", "described", "what", "counts", "created", "settled")
    list_display_links = ("number",)
    list_filter = (
        by_choice(_("state"), "standing", {one.value: capfirst(one.label) for one in BatchStanding}, batch_stands_as),
        by_choice(
            _("kind"),
            "kind",
            {"block": _("A block"), "emission": _("An emission")},
            lambda kind: Q(emission__isnull=kind == "block"),
        ),
        by_choice(_("failures"), "failures", {"1": _("Some failed")}, lambda _one: Q(failed__gt=0)),
        by_name(_("signal"), "signal", model=Batch),
        by_number(_("within batch"), "parent"),
    )
    search_fields = ("id", "description")  # see find
    search_help_text = BATCH_HELP
    find = staticmethod(find_batches)
    sortable_by = ("number",)
    unlisted = ("payload", "context")
    fields = readonly_fields = (
        *("standing", "counts", "what", "members", "inner", "outer", "followed"),
        *("created", "closed", "settled", "sender", "arguments"),
    )

    # what the list and the page show
    described = column(_("description"), lambda one: one_line(one.description) or formatting.NONE)
    created = column(_("begun"), lambda one: formatting.moment(one.created_at))
    closed = column(_("all sent"), lambda one: formatting.moment(one.closed_at), is_labelled=False)
    settled = column(_("settled"), lambda one: formatting.moment(one.settled_at))
    arguments = column(
        _("payload"),
        lambda one: format_html(
            '<pre class="signals-text" tabindex="0">{}</pre>', formatting.readable_payload(one.payload)
        ),
        is_labelled=False,
    )

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("signals_app.view_delivery")

    has_module_permission = has_view_permission

    def look_beside(self, rows: list[Any]) -> None:
        for one in rows:
            one.site = self.admin_site.name
        progress_of(rows)

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        found = super().get_object(request, object_id, from_field)
        if found is not None:
            self.look_beside([found])
        return found

    @admin.display(description=_("batch"), ordering="pk")
    def number(self, batch: Batch) -> str:
        return f"#{batch.pk}"

    @admin.display(description=_("state"))
    def standing(self, batch: Any) -> SafeString:
        standing = BatchStanding.of(batch)
        progress = "" if batch.settled_at else formatting.progress_bar(batch)
        return format_html("{} {}", formatting.badge(standing.icon, standing.label), progress)

    @admin.display(description=_("what follows"))
    def what(self, batch: Batch) -> SafeString | str:
        signal = formatting.name(batch.signal)
        if batch.emission is None:
            return signal
        url = formatting.address(self.admin_site.name, "emission", batch.emission)
        return format_html('<a href="{}">{}</a> {}', url, _("emission_settled, of"), signal)

    @admin.display(description=_("members"))
    def counts(self, batch: Any) -> SafeString:
        told = [f"{batch.counts[state]} {state.label}" for state in State if batch.counts[state]]
        return formatting.cell(_("Members"), ", ".join(told) or formatting.NONE)

    @admin.display(description=_("deliveries"))
    def members(self, batch: Any) -> SafeString:
        url = formatting.address(self.admin_site.name, "delivery_changelist")
        return format_html('<a href="{}?batch={}">{}</a>', url, batch.pk, _("All deliveries of this batch"))

    @admin.display(description=_("batches within it"))
    def inner(self, batch: Any) -> SafeString | str:
        if not batch.inner:
            return formatting.NONE
        url = formatting.address(self.admin_site.name, "batch_changelist")
        told = ngettext("%(count)d batch", "%(count)d batches", batch.inner) % {"count": batch.inner}
        return format_html('<a href="{}?parent={}">{}</a>', url, batch.pk, told)

    @admin.display(description=_("within batch"))
    def outer(self, batch: Batch) -> SafeString | str:
        return formatting.link_to_batch(self.admin_site.name, batch.parent)

    @admin.display(description=_("followed by"))
    def followed(self, batch: Batch) -> SafeString | str:
        one = batch.callback
        return formatting.NONE if one is None else formatting.link_to(self.admin_site.name, one, f"#{one}")

    @admin.display(description=_("sent from"))
    def sender(self, batch: Batch) -> SafeString | str:
        place = formatting.place(self.admin_site.name, batch.sent_from) or formatting.NONE
        return format_html("{} {}", place, one_line(batch.sent_by))
