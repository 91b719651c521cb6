"""Pages of a list that may have a million rows behind it, found with one bounded look at them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.paginator import Page, Paginator
from django.utils.functional import cached_property

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
