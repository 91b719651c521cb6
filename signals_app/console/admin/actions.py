"""What operators do from a list or a page, and the page that asks first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME, ActionForm
from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from signals_app.console.admin.pages import crumbs
from signals_app.console.operations import (
    AT_ONCE,
    CANCEL,
    RETRY,
    RUN_NOW,
    Operation,
    Operator,
    Result,
    Scope,
    known_queues,
    known_receivers,
    move_to,
    perform,
    permission_to,
    reassign_to,
)
from signals_app.exceptions import OperationRefused
from signals_app.models import Delivery, State

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What has to be chosen first, from the names there are."""

    question: Callable[[], str]
    names: Callable[[], list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """An operation as it is offered; ``name`` is that of its permission, as in ``retry_delivery``.

    ``scope`` holds for any target. ``operation`` takes the target, "" where there is none to choose, and raises
    OperationRefused where it does not exist.
    """

    name: str
    label: Callable[[], str]
    of_many: _StrPromise
    scope: Scope
    operation: Callable[[str], Operation]
    target: Target | None = None

    def is_allowed(self, request: HttpRequest) -> bool:
        """Tell whether the user may do it."""
        return request.user.has_perm(permission_to(self.name))


def _without_target(operation: Operation, of_many: _StrPromise) -> Action:
    return Action(
        name=operation.name,
        label=operation.label,
        of_many=of_many,
        scope=operation.scope,
        operation=lambda _target: operation,
    )


_ALL = (
    _without_target(RETRY, _("Retry selected deliveries")),
    _without_target(CANCEL, _("Cancel selected deliveries")),
    _without_target(RUN_NOW, _("Run selected deliveries now")),
    Action(
        name="move",
        label=lambda: gettext("Move to another queue"),
        of_many=_("Move selected deliveries to another queue"),
        scope=Scope(states=(State.READY,)),
        operation=move_to,
        target=Target(question=lambda: gettext("To the queue"), names=known_queues),
    ),
    Action(
        name="reassign",
        label=lambda: gettext("Give to another receiver"),
        of_many=_("Give selected deliveries to another receiver"),
        scope=Scope(states=(State.READY,), unroutable=True),
        operation=reassign_to,
        target=Target(question=lambda: gettext("To the receiver"), names=known_receivers),
    ),
)

ACTIONS = {action.name: action for action in _ALL}


def operator_of(request: HttpRequest) -> Operator:
    """Return the user as operator."""
    return Operator.of(cast("AbstractBaseUser", request.user))


def perform_for(request: HttpRequest, operation: Operation, ids: Sequence[int]) -> Result:
    """Change the deliveries that can be changed, and tell the user."""
    result = perform(operation, ids, by=operator_of(request))
    level = messages.WARNING if result.refused else messages.SUCCESS
    if ids:
        messages.add_message(request, level, " ".join(result.sentences()))
    return result


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
