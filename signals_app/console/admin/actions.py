"""What operators do from a list or a page, and the page that asks first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME, ActionForm
from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from signals_app.console.admin.pages import crumbs
from signals_app.console.operations import Operation, Operator, perform
from signals_app.exceptions import OperationRefused
from signals_app.models import Delivery

AT_ONCE = 5_000  # deliveries that one request changes, so that it ends


def operator_of(request: HttpRequest) -> Operator:
    """Return the user as operator."""
    return Operator.of(cast("AbstractBaseUser", request.user))


class OperationForm(ActionForm):
    """Django's choice of an action, with one that needs no ticks, nor the script that counts them."""

    matching = forms.BooleanField(label=_("on all that match the filter"), required=False)


def of_list(operation: Operation) -> Callable[[ModelAdmin[Delivery], HttpRequest, QuerySet[Delivery]], HttpResponse]:
    """Return an operation as Django's lists take it; done, it leads back to the same filtered list."""

    def act(of: ModelAdmin[Delivery], request: HttpRequest, rows: QuerySet[Delivery]) -> HttpResponse:
        return ask_or_do(of, request, rows, operation, back=request.get_full_path())

    act.__name__ = operation.name
    return admin.action(act, description=operation.of_many)


def ask_or_do(
    of: ModelAdmin[Delivery],
    request: HttpRequest,
    rows: QuerySet[Delivery],
    operation: Operation,
    *,
    back: str,
    about: str = "",
) -> HttpResponse:
    """Ask what was not said yet, the target and then the confirmation; do it where both were, and go ``back``.

    ``about`` is the heading of the page that asks.
    """
    to = request.POST.get("to", "")
    if operation.target and not to:
        asked: dict[str, Any] = {"target": operation.target}
    else:
        try:
            operation = operation.aimed_at(to)
        except OperationRefused as refused:
            messages.error(request, str(refused))
            return HttpResponseRedirect(back)
        if "confirmed" in request.POST:
            _do(request, rows, operation)
            return HttpResponseRedirect(back)
        named = rows.order_by()
        possible = named.filter(operation.condition()).count()
        asked = {"to": operation.to, "count": named.count(), "possible": possible, "at_once": AT_ONCE}
    context = {
        **of.admin_site.each_context(request),
        **crumbs(of.opts),
        "title": operation.label(),
        "subtitle": about,
        "back": back,
        "media": of.media,
        "action": request.POST.get("action", ""),
        "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
        "across": request.POST.get("select_across", "0"),
        **asked,
    }
    return TemplateResponse(request, "admin/signals_app/confirm.html", context)


def _do(request: HttpRequest, rows: QuerySet[Delivery], operation: Operation) -> None:
    ids = list(rows.values_list("pk", flat=True)[: AT_ONCE + 1])
    if ids:
        result = perform(operation, ids[:AT_ONCE], by=operator_of(request))
        level = messages.WARNING if result.refused else messages.SUCCESS
        messages.add_message(request, level, " ".join(result.sentences()))
    if len(ids) > AT_ONCE:
        left = ngettext(
            "Only the newest %(count)d was taken; do it again for the rest.",
            "Only the newest %(count)d were taken; do it again for the rest.",
            AT_ONCE,
        )
        messages.warning(request, left % {"count": AT_ONCE})
