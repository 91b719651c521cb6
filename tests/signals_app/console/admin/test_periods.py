"""The date hierarchy between a list's first day and its last."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from signals_app.console.admin.changelist import Periods, Span
from tests.signals_app.console.admin.rows import DELIVERIES, at, delivery


def span(first: str, last: str) -> Span:
    return Span.between(*(datetime.fromisoformat(one).replace(tzinfo=UTC) for one in (first, last)))


def titles(periods: Periods) -> list[str]:
    return [one.title for one in periods.choices]


def test_a_list_of_several_years_starts_with_them() -> None:
    periods = span("2024-11-30", "2026-02-02").periods(urlencode)
    assert [(one.title, one.link) for one in periods.choices] == [
        ("2024", "year=2024"),
        ("2025", "year=2025"),
        ("2026", "year=2026"),
    ]
    assert periods.back is None


def test_a_year_offers_its_months_and_the_way_back() -> None:
    periods = span("2025-11-30", "2026-02-02").periods(urlencode, year=2026)
    assert titles(periods) == ["January 2026", "February 2026"]
    assert periods.choices[1].link == "year=2026&month=2"
    assert periods.back is not None
    assert (periods.back.title, periods.back.link) == ("All dates", "")


def test_a_month_offers_the_days_between_the_ends() -> None:
    periods = span("2026-02-27", "2026-03-02").periods(urlencode, year=2026, month=2)
    assert titles(periods) == ["February 27", "February 28"]
    assert periods.choices[0].link == "year=2026&month=2&day=27"


def test_a_list_within_one_month_starts_with_its_days() -> None:
    assert titles(span("2026-11-22", "2026-11-23").periods(urlencode)) == ["November 22", "November 23"]


def test_a_day_leads_back_to_its_month() -> None:
    periods = span("2025-11-30", "2026-02-02").periods(urlencode, year=2026, month=1, day=5)
    assert titles(periods) == ["January 5"]
    assert periods.back is not None
    assert (periods.back.title, periods.back.link) == ("January 2026", "year=2026&month=1")


def test_days_are_those_of_the_current_time_zone() -> None:
    with timezone.override("Asia/Tokyo"):
        assert titles(span("2026-11-22T20:00", "2026-11-22T21:00").periods(urlencode)) == ["November 23"]


@pytest.mark.database
def test_a_chosen_day_shows_what_was_enqueued_on_it(boss: Client) -> None:
    early, late = delivery(enqueued_at=at(0)), delivery(enqueued_at=at(86_400))

    page = boss.get(reverse(DELIVERIES)).content.decode()
    assert "enqueued_at__day=23&amp;enqueued_at__month=11&amp;enqueued_at__year=2026" in page

    parts = {"enqueued_at__year": 2026, "enqueued_at__month": 11, "enqueued_at__day": 24}
    shown = boss.get(reverse(DELIVERIES), parts).context["cl"].result_list
    assert list(shown) == [late]
    assert early not in shown


@pytest.mark.parametrize(
    "wrong",
    [
        {"enqueued_at__year": "9999"},
        {"enqueued_at__year": "10000"},
        {"enqueued_at__year": "then"},
        {"enqueued_at__year": "2026", "enqueued_at__month": "13"},
        {"enqueued_at__year": "2026", "enqueued_at__month": "2", "enqueued_at__day": "31"},
    ],
)
def test_a_date_that_does_not_exist_is_not_found(boss: Client, wrong: dict[str, str]) -> None:
    delivery()
    assert boss.get(reverse(DELIVERIES), wrong).status_code == 404


def test_a_month_without_its_year_breaks_nothing(boss: Client) -> None:
    delivery()
    assert boss.get(reverse(DELIVERIES), {"enqueued_at__month": "11", "enqueued_at__day": "45"}).status_code == 200


def test_an_empty_table_offers_no_dates(boss: Client) -> None:
    page = boss.get(reverse(DELIVERIES)).content.decode()
    assert "0 deliveries" in page
    assert "toplinks" not in page
