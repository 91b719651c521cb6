"""Lists of records, the newest first: pages of them, search, and what may be asked of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import SEARCH_VAR, ChangeList
from django.core.exceptions import BadRequest
from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.functional import cached_property
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from signals_app import ledger
from signals_app.console import formatting
from signals_app.console.admin.filters import parameters_of
from signals_app.console.admin.pages import ReadOnlyAdmin
from signals_app.console.queries import asks_of_payloads, row_number
from signals_app.exceptions import OperationRefused

if TYPE_CHECKING:  # generic for the type checker only
    AnyPaginator = Paginator[Any]
else:
    AnyPaginator = Paginator

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
        return min(len(self._keys), LISTED)

    @property
    def is_cut(self) -> bool:
        return len(self._keys) > LISTED

    def page(self, number: int | str) -> Page[Any]:
        valid = self.validate_number(number)
        start = (valid - 1) * self.per_page
        keys = self._keys[start : min(start + self.per_page, LISTED)]
        return Page(self.object_list.filter(pk__in=keys), valid, self)  # type: ignore[attr-defined]


class RecordChangeList(ChangeList):
    def get_queryset(self, request: HttpRequest, *args: Any, **kwargs: Any) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request, *args, **kwargs)
        if not self.query and request.GET.get(SEARCH_VAR, "").strip():  # a search that the form refused
            rows = rows.none()
        return rows.defer(*cast("RecordAdmin", self.model_admin).unlisted)

    def get_results(self, request: HttpRequest) -> None:
        """Take every page, also the only one, from the paginator, which has looked already."""
        super().get_results(request)
        if not self.multi_page:
            if self.page_num != 1:
                raise IncorrectLookupParameters("There is only one page.")
            self.result_list = self.paginator.page(1).object_list
        self.result_list = list(self.result_list)
        cast("RecordAdmin", self.model_admin).look_beside(self.result_list)


def column(title: Any, value: Callable[[Any], Any], *, is_labelled: bool = True) -> Callable[[Any, Any], Any]:
    """Return a column of a list; its values carry its title for narrow screens, or else speak for themselves."""

    def show(_admin: Any, row: Any) -> Any:
        return formatting.cell(capfirst(title), value(row)) if is_labelled else value(row)

    return admin.display(show, description=title)


class RecordAdmin(ReadOnlyAdmin):
    # raises OperationRefused for a search that is too long
    find: Callable[[QuerySet[Any], str], QuerySet[Any]]
    unlisted: tuple[str, ...] = ()  # columns that the list does not show, and so does not read
    actions_on_top = True
    list_per_page = 100
    list_max_show_all = 0
    ordering = ("-pk",)
    paginator = BoundedPaginator
    show_facets = admin.ShowFacets.NEVER  # counts of every filter's choices would read the whole table
    show_full_result_count = False

    def look_beside(self, rows: list[Any]) -> None:
        """Give the rows of a page what their columns show from elsewhere, read for all of them at once."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Read where the workers write; a replica may be behind."""
        return super().get_queryset(request).using(ledger.connection().alias)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Allow the list's filters. Django allows any column, and so a guess at what is masked in it."""
        return lookup in parameters_of(self.list_filter)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return the rows that match, and that none is there twice; none, and a message, for a refused search."""
        try:
            if asks_of_payloads(search_term) and not request.user.has_perm("signals_app.view_delivery"):
                raise OperationRefused(_("Searching what was sent takes the permission to view deliveries."))
            return self.find(queryset, search_term), False
        except OperationRefused as error:
            messages.error(request, str(error))
            return queryset.none(), False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return RecordChangeList

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Return the list. Raises Http404 for a page or a filter that there is not; Django would list everything."""
        try:
            return super().get_changelist_instance(request)
        except IncorrectLookupParameters as error:
            raise Http404(_("This list has no such page or filter.")) from error

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if None in map(row_number, request.POST.getlist(ACTION_CHECKBOX_NAME)):
            raise BadRequest("A selected row is no number, or one that is too large.")
        title = capfirst(str(self.opts.verbose_name_plural))  # Django's asks to select one to change
        return super().changelist_view(request, {"title": title, **(extra_context or {})})
