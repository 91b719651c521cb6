"""Actions on deliveries: their target is chosen, they are counted, and done when that is confirmed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME, ActionForm
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from signals_app.admin.actions import Action
from signals_app.admin.operations import perform_for
from signals_app.admin.pages import crumbs
from signals_app.exceptions import OperationRefused
from signals_app.models import Delivery
from signals_app.operations import AT_ONCE, Operation

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


def of_list(action: Action) -> Callable[[ModelAdmin[Delivery], HttpRequest, QuerySet[Delivery]], HttpResponse]:
    """Return an action as Django's lists take it; done, it leads back to the same filtered list."""

    def act(of: ModelAdmin[Delivery], request: HttpRequest, rows: QuerySet[Delivery]) -> HttpResponse:
        return ask_or_do(of, request, rows, action, back=request.get_full_path())

    act.__name__ = action.name
    return admin.action(act, description=action.of_many)


def ask_or_do(
    of: ModelAdmin[Delivery],
    request: HttpRequest,
    rows: QuerySet[Delivery],
    action: Action,
    *,
    back: str,
    about: str = "",
) -> HttpResponse:
    """Ask what was not said yet, the target and then the confirmation; do it where both were, and go ``back``.

    ``about`` is the heading of the page that asks.
    """
    target = request.POST.get("to", "")
    page = {"back": back, "subtitle": about}
    if action.target and not target:
        return _page(of, request, title=action.label(), target=action.target, **page)
    try:
        operation = action.operation(target)
    except OperationRefused as refused:
        messages.error(request, str(refused))
        return HttpResponseRedirect(back)
    if "confirmed" in request.POST:
        _do(request, rows, operation)
        return HttpResponseRedirect(back)
    named = rows.order_by()
    return _page(
        of,
        request,
        title=operation.label(),
        to=target,
        count=named.count(),
        possible=named.filter(operation.scope.condition()).count(),
        at_once=AT_ONCE,
        **page,
    )


def _do(request: HttpRequest, rows: QuerySet[Delivery], operation: Operation) -> None:
    ids = list(rows.values_list("pk", flat=True)[: AT_ONCE + 1])
    perform_for(request, operation, ids[:AT_ONCE])
    if len(ids) > AT_ONCE:
        left = ngettext(
            "Only the newest %(count)d was taken; do it again for the rest.",
            "Only the newest %(count)d were taken; do it again for the rest.",
            AT_ONCE,
        )
        messages.warning(request, left % {"count": AT_ONCE})


def _page(of: ModelAdmin[Delivery], request: HttpRequest, **asked: Any) -> HttpResponse:
    context = {
        **of.admin_site.each_context(request),
        **crumbs(of.opts),
        "media": of.media,
        "action": request.POST.get("action", ""),
        "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
        "across": request.POST.get("select_across", "0"),
        **asked,
    }
    return TemplateResponse(request, TEMPLATE, context)
