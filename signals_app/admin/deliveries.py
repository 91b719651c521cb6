"""Deliveries in the admin: found, understood, retried and cancelled; never edited."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import F, QuerySet
from django.db.models.expressions import Combinable
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from signals_app.admin import badges, durations
from signals_app.admin.delivery_page import page_of
from signals_app.admin.filters import QueueFilter, ReceiverFilter, SignalFilter, StateFilter, UnroutableFilter
from signals_app.admin.operations import AT_ONCE, CANCEL, OPERATIONS, RETRY, Operation
from signals_app.admin.records import RecordAdmin
from signals_app.admin.search import DELIVERY_HELP, find_deliveries
from signals_app.models import Delivery, State


class DeliveryAdmin(RecordAdmin):
    """The list and the page of deliveries."""

    list_display = ("number", "standing", "by_receiver", "by_signal", "by_queue", "tries", "waited", "ran", "finished")
    list_display_links = ("number", "by_receiver")
    list_filter = (StateFilter, ReceiverFilter, SignalFilter, QueueFilter, UnroutableFilter)
    search_fields = ("id", "emission", "receiver", "sender", "payload")  # see get_search_results
    search_help_text = DELIVERY_HELP
    date_hierarchy = "enqueued_at"
    sortable_by = ("number",)  # any other order would have to sort the whole table
    unlisted = ("payload", "sender", "emission")
    actions = ("retry", "cancel")

    def get_urls(self) -> list[URLPattern]:
        """Add the address where one delivery is retried or cancelled."""
        operate = path(
            "<path:object_id>/operate/<str:name>/",
            self.admin_site.admin_view(self.operate_view),
            name="signals_app_delivery_operate",
        )
        return [operate, *super().get_urls()]

    def get_ordering(self, request: HttpRequest) -> tuple[str | Combinable, ...]:
        """Return newest first, said so that the partial indexes of the states are used.

        Told to order by the key itself, SQLite walks the whole table along it to find the few that run.
        """
        indexed = request.GET.get("state") in (State.READY, State.RUNNING) or "unroutable" in request.GET
        return ((F("pk") + 0).desc(),) if indexed else self.ordering

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Delivery], search_term: str
    ) -> tuple[QuerySet[Delivery], bool]:
        """Return the deliveries that match every word, and that none is there twice."""
        return find_deliveries(queryset, search_term), False

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """Tell whether the user may retry; the action asks."""
        return RETRY.is_allowed(request)

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """Tell whether the user may cancel; the action asks."""
        return CANCEL.is_allowed(request)

    @admin.action(description=_("Retry selected deliveries"), permissions=["retry"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        """Make the failed and cancelled ones ready again."""
        _perform(RETRY, request, queryset)

    @admin.action(description=_("Cancel selected deliveries"), permissions=["cancel"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        """Cancel the ready ones."""
        _perform(CANCEL, request, queryset)

    @method_decorator(require_POST)
    def operate_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """Retry or cancel one delivery and go back to its page."""
        operation = OPERATIONS.get(name)
        delivery = self.get_object(request, unquote(object_id))
        if operation is None or delivery is None:
            raise Http404(gettext("There is no such delivery, or nothing of that name can be done to it."))
        if not (self.has_view_permission(request, delivery) and operation.is_allowed(request)):
            raise PermissionDenied
        operation.perform(request, [delivery.pk])
        address = reverse("admin:signals_app_delivery_change", args=[delivery.pk], current_app=self.admin_site.name)
        preserved: Any = {"preserved_filters": self.get_preserved_filters(request), "opts": self.opts}
        return HttpResponseRedirect(add_preserved_filters(preserved, address))

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Delivery | None = None,
    ) -> HttpResponse:
        """Show the delivery's page in place of a form."""
        if obj is not None:
            context["page"] = page_of(obj, request, now=timezone.now())
        return super().render_change_form(request, context, add=add, change=change, form_url=form_url, obj=obj)

    @admin.display(description=_("delivery"), ordering="pk")
    def number(self, delivery: Delivery) -> str:
        """The id."""
        return f"#{delivery.pk}"

    @admin.display(description=_("state"))
    def standing(self, delivery: Delivery) -> SafeString:
        """The state, and what matters about it now."""
        marks = [badges.state_badge(delivery)]
        if delivery.unroutable:
            marks.append(badges.unroutable_badge())
        if delivery.state == State.RUNNING:
            marks.append(SafeString(badges.progress_bar(delivery)))
        return format_html("{} {} {}", *marks, *[""] * (3 - len(marks)))

    @admin.display(description=_("receiver"))
    def by_receiver(self, delivery: Delivery) -> str:
        """The receiver's key."""
        return badges.name(delivery.receiver)

    @admin.display(description=_("signal"))
    def by_signal(self, delivery: Delivery) -> str:
        """The signal's name."""
        return badges.name(delivery.signal)

    @admin.display(description=_("queue"))
    def by_queue(self, delivery: Delivery) -> SafeString:
        """The queue."""
        return badges.cell(gettext("Queue"), delivery.queue)

    @admin.display(description=_("attempts"))
    def tries(self, delivery: Delivery) -> SafeString:
        """Attempts made, of those allowed."""
        return badges.cell(gettext("Attempts"), f"{delivery.attempts}/{delivery.max_attempts}")

    @admin.display(description=_("waited"))
    def waited(self, delivery: Delivery) -> SafeString:
        """How long it waited once it was due; when it is due, where that lies ahead."""
        now = timezone.now()
        if delivery.state == State.READY and delivery.due_at > now:
            return badges.cell(gettext("Due"), durations.until(delivery.due_at, now))
        return badges.cell(gettext("Waited"), durations.written(durations.waited(delivery, now)))

    @admin.display(description=_("ran"))
    def ran(self, delivery: Delivery) -> SafeString:
        """How long it ran or has been running."""
        return badges.cell(gettext("Ran"), durations.written(durations.ran(delivery, timezone.now())))

    @admin.display(description=_("finished"))
    def finished(self, delivery: Delivery) -> SafeString:
        """When it reached its final state."""
        return badges.cell(gettext("Finished"), durations.moment(delivery.finished_at))


def _perform(operation: Operation, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
    ids = list(queryset.values_list("pk", flat=True)[: AT_ONCE + 1])
    operation.perform(request, ids[:AT_ONCE])
    if len(ids) > AT_ONCE:
        left = ngettext(
            "Only the newest %(count)d was taken; do it again for the rest.",
            "Only the newest %(count)d were taken; do it again for the rest.",
            AT_ONCE,
        )
        messages.warning(request, left % {"count": AT_ONCE})
