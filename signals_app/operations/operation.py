"""What an operator may do to deliveries: to which, how it is said, and which permission it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Q
from django.utils import timezone

from signals_app.models import Delivery, State

# what an entry of the history says -> the deliveries it is said of
Changed = Mapping[str, Sequence[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The deliveries that an operation can change."""

    states: tuple[State, ...]
    later: bool = False  # only those that are due later
    unroutable: bool = False  # only those whose receiver no worker knows
    not_in: str = ""  # only those of other queues

    def condition(self) -> Q:
        """Return it for a query."""
        found = Q(state__in=self.states)
        if self.later:
            found &= Q(due_at__gt=timezone.now())
        if self.unroutable:
            found &= Q(unroutable=True)
        if self.not_in:
            found &= ~Q(queue=self.not_in)
        return found

    def holds(self, delivery: Delivery) -> bool:
        """Tell whether a delivery is one of them."""
        return (
            delivery.state in self.states
            and (not self.later or delivery.due_at > timezone.now())
            and (not self.unroutable or delivery.unroutable)
            and delivery.queue != self.not_in
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A change by hand. ``name`` is that of its permission, as in ``retry_delivery``.

    ``change`` takes the ids of one batch, changes those that it can and returns them under what their history is to
    say; it may be repeated. ``done`` and ``refused`` say how many were changed, and left as they were.
    """

    name: str
    label: Callable[[], str]
    scope: Scope
    change: Callable[[Sequence[int]], Changed]
    done: Callable[[int], str]
    refused: Callable[[int], str]

    @property
    def permission(self) -> str:
        """The permission it takes, as ``has_perm`` wants it."""
        return permission_to(self.name)


def permission_to(name: str) -> str:
    """Return the permission that the operation of a name takes, as ``has_perm`` wants it."""
    return f"signals_app.{name}_delivery"
