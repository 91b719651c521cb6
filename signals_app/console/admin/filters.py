"""The filters of the lists."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.contrib.admin import FieldListFilter, ModelAdmin, SimpleListFilter
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.text import capfirst, format_lazy
from django.utils.translation import gettext_lazy as _

from signals_app.console.formatting import breakable
from signals_app.console.operations import QUEUE, RECEIVER
from signals_app.console.queries import (
    Waiting,
    blocks_a_lane,
    in_state,
    is_unroutable,
    last_ended_with,
    moment,
    row_number,
    running_long,
    waits_as,
)
from signals_app.models import Attempt, Delivery, Outcome, State
from signals_app.redaction.logs import one_line

RECENT = 5_000  # newest rows whose names a filter offers, beside those that this process knows


def by_choice(
    label: Any, parameter: str, choices: Mapping[str, Any], condition: Callable[[str], Q]
) -> type[SimpleListFilter]:
    """Return a filter with fixed choices; with another value the list is a page that does not exist."""

    class ByChoice(SimpleListFilter):
        title, parameter_name = label, parameter

        def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, Any]]:
            return list(choices.items())

        def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
            value = self.value()
            if value is None:
                return queryset
            if value not in choices:
                raise IncorrectLookupParameters(f"There is no {parameter} {value!r}.")
            return queryset.filter(condition(value))

    return ByChoice


def by_name(
    label: Any,
    column: str,
    *,
    parameter: str = "",
    model: type[Model] = Delivery,
    known: Callable[[], Iterable[str]] = tuple,
    condition: Callable[[str], Q] | None = None,
) -> type[SimpleListFilter]:
    """Return a filter by a name that rows carry: offered are those of the newest rows, ``known`` and the chosen one."""

    class ByName(SimpleListFilter):
        title, parameter_name = label, parameter or column

        def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, str]]:
            rows = model._default_manager.all()
            # a query of its own: PostgreSQL would not know how few rows come after the result of a subquery
            newest = rows.order_by("-pk").values_list("pk", flat=True).first() or 0
            recent = rows.filter(pk__gt=newest - RECENT).order_by()
            names = {*recent.values_list(column, flat=True).distinct(), *known(), self.value() or ""}
            return [(name, breakable(one_line(name))) for name in sorted(names) if name]

        def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
            value = self.value()
            if value is None:
                return queryset
            if "\0" in value:
                raise IncorrectLookupParameters("PostgreSQL looks for no NUL character.")
            return queryset.filter(condition(value) if condition else Q(**{column: value}))

    return ByName


def by_number(label: Any, column: str) -> type[SimpleListFilter]:
    """Return a filter by the id of another row, which a link to the list names; it offers no other."""

    class ByNumber(SimpleListFilter):
        title, parameter_name = label, column

        def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, str]]:
            value = self.value()
            return [(value, f"#{one_line(value)}")] if value else []

        def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
            number = row_number(self.value() or "")
            if number is None:
                raise IncorrectLookupParameters(f"There is no {column} {self.value()!r}.")
            return queryset.filter(**{column: number})

    return ByNumber


class TimeFilter(FieldListFilter):
    """By a span of time, its end left out; either end may be open."""

    template = "admin/signals_app/time_filter.html"

    def expected_parameters(self) -> list[str | None]:
        return [*_bounds(self.field_path)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(**{lookup: end for lookup, end in self._ends().items() if end})

    def choices(self, changelist: Any) -> Iterator[Any]:
        for label, (lookup, end) in zip((_("From"), _("Before")), self._ends().items(), strict=True):
            local = timezone.localtime(end) if end and timezone.is_aware(end) else end
            # as a browser's field has it
            written = local.replace(tzinfo=None).isoformat(timespec="minutes") if local else ""
            yield {"label": label, "name": lookup, "value": written}

    def _ends(self) -> dict[str, datetime | None]:
        given: dict[str, Any] = self.used_parameters
        texts = {lookup: given.get(lookup, [""])[-1] for lookup in _bounds(self.field_path)}
        ends = {lookup: moment(text) for lookup, text in texts.items()}
        if any(text and ends[lookup] is None for lookup, text in texts.items()):
            raise IncorrectLookupParameters("An end of the span is not a date and time.")
        return ends


def _bounds(field: str) -> list[str]:
    return [f"{field}__gte", f"{field}__lt"]


def parameters_of(list_filter: Iterable[Any]) -> set[str]:
    """Return the parameters of an address that a list's filters read."""
    names = [_bounds(one[0]) if isinstance(one, tuple) else [one.parameter_name] for one in list_filter]
    return {name for some in names for name in some}


_SPANS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}
_ENDED = by_choice(
    _("ended"),
    "ended",
    {"hour": _("In the last hour"), "day": _("In the last day"), "week": _("In the last week")},
    lambda span: Q(finished_at__gt=timezone.now() - _SPANS[span]),
)

OF_DELIVERIES = (
    by_choice(_("state"), "state", {one.value: capfirst(one.label) for one in State}, in_state),
    by_choice(_("waiting"), "waiting", {one.value: capfirst(one.label) for one in Waiting}, waits_as),
    by_name(_("receiver"), "receiver", known=RECEIVER.names),
    by_name(_("signal"), "signal"),
    by_name(_("queue"), "queue", known=QUEUE.names),
    by_name(_("error class"), "error_class", model=Attempt, condition=last_ended_with),
    by_choice(
        _("attempts"),
        "attempts",
        {str(number): format_lazy(_("{number} or more"), number=number) for number in (1, 2, 5, 10)},
        lambda number: Q(attempts__gte=int(number)),
    ),
    by_number(_("batch"), "batch"),
    by_choice(_("routing"), "unroutable", {"1": _("Unroutable")}, lambda _one: is_unroutable()),
    by_choice(_("lane"), "blocking", {"1": _("Blocks its lane")}, lambda _one: blocks_a_lane()),
    by_choice(_("running"), "long", {"1": _("For over a minute")}, lambda _one: running_long()),
    _ENDED,
    # Reads every row, 100,000 in 25 ms. Ids and emissions have indexes, but follow the time only as far as clocks are
    # right, and what a filter leaves out nobody retries.
    ("enqueued_at", TimeFilter),
    ("finished_at", TimeFilter),
)
OF_ATTEMPTS = (
    by_choice(
        _("outcome"), "outcome", {one.value: capfirst(one.label) for one in Outcome}, lambda value: Q(outcome=value)
    ),
    by_name(_("error class"), "error_class", model=Attempt),
    by_name(_("receiver"), "delivery__receiver", parameter="receiver", model=Attempt, known=RECEIVER.names),
    _ENDED,
    ("finished_at", TimeFilter),
)
