"""The filters of the lists. None of them reads the whole table to know its choices."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from django.contrib.admin import ModelAdmin, SimpleListFilter
from django.db.models import Model, QuerySet, Subquery
from django.http import HttpRequest
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from signals_app.conf import conf
from signals_app.dispatcher import registry
from signals_app.models import Attempt, Delivery, Outcome, State

RECENT = 5_000  # newest rows whose names a filter offers, beside those that this process knows

Choices = list[tuple[str, Any]]


class StateFilter(SimpleListFilter):
    """By state."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> Choices:
        """Return every state."""
        return [(state.value, capfirst(str(state.label))) for state in State]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the deliveries in the chosen state; none where it does not exist."""
        value = self.value()
        if value is None:
            return queryset
        return queryset.filter(state=value) if value in State else queryset.none()


class UnroutableFilter(SimpleListFilter):
    """Those that wait for a receiver that no worker knows."""

    title = _("routing")
    parameter_name = "unroutable"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> Choices:
        """Return the one choice."""
        return [("1", _("Unroutable"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep what waits and is unroutable."""
        if self.value() is None:
            return queryset
        return queryset.filter(state=State.READY, unroutable=True)


class OutcomeFilter(SimpleListFilter):
    """By the way an attempt ended."""

    title = _("outcome")
    parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> Choices:
        """Return every outcome."""
        return [(outcome.value, capfirst(str(outcome.label))) for outcome in Outcome]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the attempts of the chosen outcome."""
        return queryset if self.value() is None else queryset.filter(outcome=self.value())


class NameFilter(SimpleListFilter):
    """By a name that rows carry: offered are those of the newest rows, those this process knows, and the chosen one."""

    model: ClassVar[type[Model]] = Delivery
    column: ClassVar[str]

    def known(self) -> Iterable[str]:
        """Return names that are offered even where no recent row has them."""
        return ()

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> Choices:
        """Return the names in order."""
        rows = self.model._default_manager.all()
        newest = rows.order_by("-pk").values("pk")[:1]
        recent = rows.filter(pk__gt=Subquery(newest) - RECENT).order_by()
        names = {*recent.values_list(self.column, flat=True).distinct(), *self.known()}
        if chosen := self.value():
            names.add(chosen)
        return [(name, name) for name in sorted(names) if name]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the rows of the chosen name."""
        return queryset if self.value() is None else queryset.filter(**{self.column: self.value()})


class ReceiverFilter(NameFilter):
    """By receiver."""

    title = _("receiver")
    parameter_name = column = "receiver"

    def known(self) -> Iterable[str]:
        """Return every queued receiver of this process."""
        return (receiver.key for receiver in registry.all())


class SignalFilter(NameFilter):
    """By signal."""

    title = _("signal")
    parameter_name = column = "signal"


class QueueFilter(NameFilter):
    """By queue."""

    title = _("queue")
    parameter_name = column = "queue"

    def known(self) -> Iterable[str]:
        """Return the queues of this process's receivers."""
        return {conf.queue, *(receiver.options.queue for receiver in registry.all())}


class AttemptReceiverFilter(ReceiverFilter):
    """By the receiver of an attempt's delivery."""

    model = Attempt
    column = "delivery__receiver"
    parameter_name = "receiver"


class ErrorClassFilter(NameFilter):
    """By the class of the error."""

    model = Attempt
    title = _("error class")
    parameter_name = column = "error_class"
