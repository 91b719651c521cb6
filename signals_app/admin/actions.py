"""What can be done to deliveries in the admin, from their list and from the page of one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from signals_app.models import State
from signals_app.operations import CANCEL, RETRY, RUN_NOW, Operation, Scope, move_to, permission_to, reassign_to
from signals_app.operations.names import known_queues, known_receivers

if TYPE_CHECKING:  # a name of the stubs: what gettext_lazy returns
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
