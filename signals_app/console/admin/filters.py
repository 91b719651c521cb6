"""The filters of the lists."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, ClassVar

from django.contrib.admin import ModelAdmin, SimpleListFilter
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import Model, QuerySet, TextChoices
from django.http import HttpRequest
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from signals_app.conf import conf
from signals_app.console.queries import last_ended_with, running_long
from signals_app.dispatcher import registry
from signals_app.models import FINAL_STATES, Attempt, Delivery, Outcome, State
from signals_app.redaction.records import one_line

Choices = list[tuple[str, Any]]


class StateFilter(SimpleListFilter):
    """By state."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> Choices:
        """Return every state."""
        return [(state.value, capfirst(str(state.label))) for state in State]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the deliveries in the chosen state. Raises IncorrectLookupParameters where it does not exist."""
        rows = _chosen(queryset, "state", self.value(), State)
        # what is final has ended; said, so that the index of what has ended is used
        return rows.filter(finished_at__isnull=False) if self.value() in FINAL_STATES else rows


class UnroutableFilter(SimpleListFilter):
    """Those that wait for a receiver that no worker knows."""

    title = _("routing")
    parameter_name = "unroutable"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> Choices:
        """Return the one choice."""
        return [("1", _("Unroutable"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep what waits and is unroutable. Raises IncorrectLookupParameters for another choice."""
        return queryset.filter(state=State.READY, unroutable=True) if _is_chosen(self) else queryset


class OutcomeFilter(SimpleListFilter):
    """By the way an attempt ended."""

    title = _("outcome")
    parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> Choices:
        """Return every outcome."""
        return [(outcome.value, capfirst(str(outcome.label))) for outcome in Outcome]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the attempts of the chosen outcome. Raises IncorrectLookupParameters where it does not exist."""
        return _chosen(queryset, "outcome", self.value(), Outcome)


def _chosen(queryset: QuerySet[Any], field: str, value: str | None, choices: type[TextChoices]) -> QuerySet[Any]:
    if value is None:
        return queryset
    if value not in choices.values:
        raise IncorrectLookupParameters(f"There is no {field} {value!r}.")
    return queryset.filter(**{field: value})


def _is_chosen(one: SimpleListFilter) -> bool:
    """Tell whether the one choice of a filter is made."""
    if one.value() not in (None, "1"):
        raise IncorrectLookupParameters(f"There is no choice {one.value()!r}.")
    return one.value() is not None


class EndedFilter(SimpleListFilter):
    """Those that ended lately."""

    title = _("ended")
    parameter_name = "ended"
    spans: ClassVar = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> Choices:
        """Return the spans of time."""
        return [("hour", _("In the last hour")), ("day", _("In the last day")), ("week", _("In the last week"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep what ended within the span. Raises IncorrectLookupParameters for one that does not exist."""
        value = self.value()
        if value is None:
            return queryset
        if value not in self.spans:
            raise IncorrectLookupParameters(f"There is no span {value!r}.")
        return queryset.filter(finished_at__gt=timezone.now() - self.spans[value])


class LongFilter(SimpleListFilter):
    """Those that have been running for long."""

    title = _("running")
    parameter_name = "long"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> Choices:
        """Return the one choice."""
        return [("1", _("For over a minute"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep what runs and began so long ago. Raises IncorrectLookupParameters for another choice."""
        return queryset.filter(running_long()) if _is_chosen(self) else queryset


class AttemptsFilter(SimpleListFilter):
    """By how many attempts were made at least."""

    title = _("attempts")
    parameter_name = "attempts"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> Choices:
        """Return some numbers."""
        return [(str(number), _("%(number)d or more") % {"number": number}) for number in (1, 2, 5, 10)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep what was tried so often. Raises IncorrectLookupParameters for what is not offered."""
        value = self.value()
        if value is None:
            return queryset
        if value not in dict(self.lookup_choices):
            raise IncorrectLookupParameters(f"There is no number of attempts {value!r}.")
        return queryset.filter(attempts__gte=int(value))


RECENT = 5_000  # newest rows whose names a filter offers, beside those that this process knows


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
