"""The filters by a name that rows carry. None of them reads the whole table to know its choices."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from django.contrib.admin import ModelAdmin, SimpleListFilter
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from signals_app.conf import conf
from signals_app.dispatcher import registry
from signals_app.logs import one_line
from signals_app.models import Attempt, Delivery
from signals_app.operations.selection import last_ended_with

RECENT = 5_000  # newest rows whose names a filter offers, beside those that this process knows

Choices = list[tuple[str, Any]]


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
        # a query of its own: PostgreSQL would not know how few rows come after the result of a subquery
        newest = rows.order_by("-pk").values_list("pk", flat=True).first() or 0
        recent = rows.filter(pk__gt=newest - RECENT).order_by()
        names = {*recent.values_list(self.column, flat=True).distinct(), *self.known()}
        if chosen := self.value():
            names.add(chosen)
        return [(name, one_line(name)) for name in sorted(names) if name]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the rows of the chosen name. Raises IncorrectLookupParameters for what PostgreSQL could not look for."""
        value = self.value()
        if value is not None and "\0" in value:
            raise IncorrectLookupParameters("A name has no NUL character.")
        return queryset if value is None else queryset.filter(**{self.column: value})


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


class LastErrorFilter(ErrorClassFilter):
    """By the class of the error with which the last attempt of a delivery ended."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the deliveries of the chosen class, found by its index."""
        super().queryset(request, Attempt.objects.none())  # refuses what no class is called
        value = self.value()
        return queryset if value is None else queryset.filter(last_ended_with(value))
