"""Pages of a list that does not count its whole table."""

from __future__ import annotations

import pytest
from django.core.paginator import EmptyPage
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from signals_app.console.admin import changelist
from signals_app.console.admin.changelist import BoundedPaginator
from signals_app.models import Delivery
from tests.signals_app.console.admin.rows import DELIVERIES, delivery

pytestmark = pytest.mark.django_db


@pytest.fixture
def seven(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Seven deliveries, the newest first, of which a list shows five."""
    monkeypatch.setattr(changelist, "LISTED", 5)
    return sorted((delivery().pk for _ in range(7)), reverse=True)


def test_no_more_than_the_newest_rows_are_listed(seven: list[int]) -> None:
    rows = Delivery.objects.order_by("-pk")
    pages = BoundedPaginator(rows, 2)
    shown = [[row.pk for row in page.object_list] for page in pages]
    assert shown == [seven[0:2], seven[2:4], seven[4:5]]
    assert (pages.count, pages.is_cut) == (5, True)
    with pytest.raises(EmptyPage):
        pages.page(4)
    whole = BoundedPaginator(rows.filter(pk__in=seven[:5]), 2)
    assert (whole.count, whole.is_cut) == (5, False)


def test_the_rows_that_match_are_looked_for_once(seven: list[int]) -> None:
    with CaptureQueriesContext(connection) as queries:
        pages = BoundedPaginator(Delivery.objects.order_by("-pk"), 2)
        assert pages.count == 5
        assert len(pages.page(1).object_list) == 2
    assert len(queries) == 2


def test_the_page_says_that_there_are_older_ones(seven: list[int], boss: Client) -> None:
    page = boss.get(reverse(DELIVERIES)).content.decode()
    assert "These are the newest deliveries. Choose a date, a filter or a search to reach older ones." in page
    assert "5 deliveries" in page
    assert "reach older ones" not in boss.get(reverse(DELIVERIES), {"q": f"#{seven[0]}"}).content.decode()
