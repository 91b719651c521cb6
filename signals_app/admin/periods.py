"""The date hierarchy of a long list: years, months and days between its first row and its last.

Django's own asks for the distinct days of everything that matches, which reads every row (on SQLite through a Python
function). This one knows only the ends, so a day may turn out empty.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.utils import formats, timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _

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
