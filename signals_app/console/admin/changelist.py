"""Lists of many rows: pages of them, periods, search."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, cast

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import SEARCH_VAR, ChangeList
from django.core.exceptions import BadRequest
from django.core.paginator import Page, Paginator
from django.db.models import DateTimeField, QuerySet
from django.db.models.constants import LOOKUP_SEP
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import formats, timezone
from django.utils.functional import cached_property
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext as _

from signals_app import ledger
from signals_app.console.queries import asks_of_payloads, row_number
from signals_app.exceptions import OperationRefused

if TYPE_CHECKING:  # generic for the type checker only
    AnyPaginator = Paginator[Any]
    AnyPage = Page[Any]
else:
    AnyPaginator, AnyPage = Paginator, Page

LISTED = 5_000  # rows that a list reaches back; counting on would read the whole table


class BoundedPaginator(AnyPaginator):
    """Lists the first ``LISTED`` rows of a queryset and says whether there are more.

    The rows' keys are read once, for the count and for the page: a search that finds little scans the table once, not
    twice.
    """

    @cached_property
    def _keys(self) -> list[Any]:
        return list(self.object_list.values_list("pk", flat=True)[: LISTED + 1])  # type: ignore[attr-defined]

    @cached_property
    def count(self) -> int:
        """How many rows are listed, ``LISTED`` at the most."""
        return min(len(self._keys), LISTED)

    @property
    def is_cut(self) -> bool:
        """Whether there are rows that are not listed."""
        return len(self._keys) > LISTED

    def page(self, number: int | str) -> AnyPage:
        """Return one page. Raises InvalidPage where there is none of that number."""
        valid = self.validate_number(number)
        start = (valid - 1) * self.per_page
        keys = self._keys[start : min(start + self.per_page, LISTED)]
        rows = self.object_list.filter(pk__in=keys)  # type: ignore[attr-defined]
        return Page(rows, valid, self)


Link = Callable[[dict[str, int]], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A year, month or day to choose; without a link it is the one that is shown."""

    title: str
    link: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Periods:
    """What can be chosen, and the way back."""

    choices: tuple[Period, ...]
    back: Period | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The days that a list covers, in the current time zone, both ends included."""

    first: date
    last: date

    @classmethod
    def between(cls, first: datetime, last: datetime) -> Span:
        """Return the span of two moments, in whichever order."""
        days = sorted(timezone.localtime(one).date() if timezone.is_aware(one) else one.date() for one in (first, last))
        return cls(first=days[0], last=days[1])

    def periods(self, link: Link, *, year: int = 0, month: int = 0, day: int = 0) -> Periods:
        """Return the choices below a chosen year, month or day (0: none); a span within one month starts at its days.

        ``link`` makes the address of ``{"year": 2026, "month": 11}``. Raises ValueError for a date that does not exist.
        """
        if not year and self.first.year == self.last.year:
            year = self.last.year
            month = self.last.month if self.first.month == self.last.month else 0
        if not year:
            return Periods(choices=tuple(self._years(link)))
        if not month:
            back = Period(title=_("All dates"), link=link({}))
            return Periods(choices=tuple(self._months(link, year)), back=back)
        if not day:
            back = Period(title=str(year), link=link({"year": year}))
            return Periods(choices=tuple(self._days(link, year, month)), back=back)
        chosen = date(year, month, day)
        back = Period(title=_title(chosen, "YEAR_MONTH_FORMAT"), link=link({"year": year, "month": month}))
        return Periods(choices=(Period(title=_title(chosen, "MONTH_DAY_FORMAT")),), back=back)

    def _years(self, link: Link) -> list[Period]:
        years = range(self.first.year, self.last.year + 1)
        return [Period(title=str(year), link=link({"year": year})) for year in years]

    def _months(self, link: Link, year: int) -> list[Period]:
        first, last = (self.first.year, self.first.month), (self.last.year, self.last.month)
        return [
            Period(
                title=_title(date(year, month, 1), "YEAR_MONTH_FORMAT"),
                link=link({"year": year, "month": month}),
            )
            for month in range(1, 13)
            if first <= (year, month) <= last
        ]

    def _days(self, link: Link, year: int, month: int) -> list[Period]:
        start = date(year, month, 1)
        month_of = (start + timedelta(days=offset) for offset in range(31))
        return [
            Period(
                title=_title(day, "MONTH_DAY_FORMAT"),
                link=link({"year": year, "month": month, "day": day.day}),
            )
            for day in month_of
            if day.month == month and self.first <= day <= self.last
        ]


def _title(day: date, form: str) -> str:
    return capfirst(formats.date_format(day, form))


if TYPE_CHECKING:  # generic for the type checker only
    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin


class RecordChangeList(ChangeList):
    """A list that leaves out the long texts and knows its dates by the ends of the table."""

    def get_queryset(self, request: HttpRequest, *args: Any, **kwargs: Any) -> QuerySet[Any]:
        """Return the rows that match, without the columns that the list does not show; none for a refused search."""
        rows: QuerySet[Any] = super().get_queryset(request, *args, **kwargs)
        if not self.query and request.GET.get(SEARCH_VAR, "").strip():
            rows = rows.none()
        return rows.defer(*cast("RecordAdmin", self.model_admin).unlisted)

    def get_filters(self, request: HttpRequest) -> Any:
        """Return what Django's list does, also for a year whose end no date can say."""
        try:
            return super().get_filters(request)
        except (ValueError, OverflowError) as error:
            raise IncorrectLookupParameters(error) from error

    def get_results(self, request: HttpRequest) -> None:
        """Take every page, also the only one, from the paginator, which has looked already."""
        try:
            super().get_results(request)
        except (ValueError, OverflowError) as error:  # a year that no date can say is found out by the query
            raise IncorrectLookupParameters(error) from error
        if not self.multi_page:
            if self.page_num != 1:
                raise IncorrectLookupParameters("There is only one page.")
            self.result_list = self.paginator.page(1).object_list

    @property
    def periods(self) -> Periods | None:
        """What the date hierarchy offers; None for an empty table."""
        field = self.date_hierarchy
        ends = [self._date_at_end(order) for order in ("pk", "-pk")]
        if not field or None in ends:
            return None
        chosen = {}
        if f"{field}__year" in self.params:  # get_filters has read them already
            chosen = {part: int(self.params.get(f"{field}__{part}", 0)) for part in ("year", "month", "day")}

        def link(parts: dict[str, int]) -> str:
            return self.get_query_string({f"{field}__{part}": value for part, value in parts.items()}, [f"{field}__"])

        return Span.between(*ends).periods(link, **chosen)

    @property
    def date_name(self) -> str:
        """What the date hierarchy is of."""
        return str(self.opts.get_field(self.date_hierarchy).verbose_name)  # type: ignore[union-attr]

    def _date_at_end(self, order: str) -> Any:
        # rows are numbered as they are written, so the ends of the key are the ends in time
        return self.root_queryset.order_by(order).values_list(self.date_hierarchy, flat=True).first()


class RecordAdmin(ModelAdmin):
    """Nobody adds, changes or deletes by hand what the dispatcher recorded."""

    unlisted: tuple[str, ...] = ()  # columns that the list does not show, and so does not read
    actions_on_top = True
    list_per_page = 100
    list_max_show_all = 0
    ordering = ("-pk",)
    paginator = BoundedPaginator
    show_facets = admin.ShowFacets.NEVER  # counts of every filter's choices would read the whole table
    show_full_result_count = False

    class Media:
        css: ClassVar = {"all": ("signals_app/admin.css",)}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Read where the workers write; a replica may be behind."""
        return super().get_queryset(request).using(ledger.connection().alias)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Allow the list's filters and dates. Django allows any column, and so a guess at what is masked in it."""
        filters: Any = self.list_filter
        dates = {field.name for field in self.opts.fields if isinstance(field, DateTimeField)}
        return lookup in {one.parameter_name for one in filters} or lookup.partition(LOOKUP_SEP)[0] in dates

    @staticmethod
    def find(rows: QuerySet[Any], text: str) -> QuerySet[Any]:
        """Return the rows that match every word of a search. Raises OperationRefused for one that is too long."""
        raise NotImplementedError

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return the rows that match, and that none is there twice; none, and a message, for a refused search."""
        try:
            if asks_of_payloads(search_term) and not request.user.has_perm("signals_app.view_delivery"):
                raise OperationRefused(gettext("Looking for what was sent takes the permission to view deliveries."))
            return self.find(queryset, search_term), False
        except OperationRefused as error:
            messages.error(request, str(error))
            return queryset.none(), False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return our list."""
        return RecordChangeList

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Return the list. Raises Http404 for a page or a filter that there is not; Django would list everything."""
        try:
            return super().get_changelist_instance(request)
        except IncorrectLookupParameters as error:
            raise Http404(gettext("There is no such page or filter of this list.")) from error

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the list under its own name. Raises BadRequest for a selected row that none can be."""
        if None in map(row_number, request.POST.getlist(ACTION_CHECKBOX_NAME)):
            raise BadRequest("A selected row is no number, or one that is too large.")
        title = capfirst(str(self.opts.verbose_name_plural))
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: a running delivery would go on without its record."""
        return False
