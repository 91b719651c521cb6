"""Actions on many deliveries: counted first, done when that is confirmed, and back to the same filtered list."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME, ActionForm
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.template.response import TemplateResponse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from signals_app.admin.operations import perform_for
from signals_app.admin.pages import crumbs
from signals_app.exceptions import OperationRefused
from signals_app.models import Delivery
from signals_app.operations import AT_ONCE, Operation, move_to
from signals_app.operations.names import known_queues

TEMPLATE = "admin/signals_app/confirm.html"


class OperationForm(ActionForm):
    """Django's choice of an action, with one that needs no ticks, nor the script that counts them."""

    matching = forms.BooleanField(label=_("on all that match the filter"), required=False)


def everything_that_matches(posted: QueryDict) -> QueryDict:
    """Return what was posted as Django reads it when every row of every page is ticked."""
    changed = posted.copy()
    changed["select_across"] = "1"
    changed.setlist(ACTION_CHECKBOX_NAME, ["0"])
    return changed


def confirm_or_do(
    of: ModelAdmin[Delivery], request: HttpRequest, rows: QuerySet[Delivery], operation: Operation, **asked: Any
) -> HttpResponse | None:
    """Do it where that was confirmed, else return the page that asks, with the number of deliveries it would change."""
    if "confirmed" not in request.POST:
        return _page(of, request, rows, operation=operation, **asked)
    ids = list(rows.values_list("pk", flat=True)[: AT_ONCE + 1])
    perform_for(request, operation, ids[:AT_ONCE])
    if len(ids) > AT_ONCE:
        left = ngettext(
            "Only the newest %(count)d was taken; do it again for the rest.",
            "Only the newest %(count)d were taken; do it again for the rest.",
            AT_ONCE,
        )
        messages.warning(request, left % {"count": AT_ONCE})
    return None


def choose_queue(of: ModelAdmin[Delivery], request: HttpRequest, rows: QuerySet[Delivery]) -> HttpResponse | None:
    """Move deliveries to the queue that was chosen, or ask which one it is to be."""
    queue = request.POST.get("queue", "")
    if not queue:
        return _page(of, request, rows, queues=known_queues())
    try:
        operation = move_to(queue)
    except OperationRefused as refused:
        messages.error(request, str(refused))
        return None
    return confirm_or_do(of, request, rows, operation, queue=queue)


def _page(of: ModelAdmin[Delivery], request: HttpRequest, rows: QuerySet[Delivery], **asked: Any) -> HttpResponse:
    operation: Operation | None = asked.get("operation")
    named = rows.order_by()
    count = named.count()
    possible = named.filter(operation.scope.condition()).count() if operation else None
    context = {
        **of.admin_site.each_context(request),
        **crumbs(of.opts),
        "title": operation.label() if operation else gettext("Move to another queue"),
        "media": of.media,
        "action": request.POST["action"],
        "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
        "across": request.POST.get("select_across", "0"),
        "count": count,
        "possible": possible,
        "at_once": AT_ONCE,
        "back": request.get_full_path(),
        **asked,
    }
    return TemplateResponse(request, TEMPLATE, context)
