"""Pages of the admin that list no table, and what every page of ours has to keep to."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.test import Client
from django.urls import path, reverse
from django.utils import timezone

from signals_app.console.admin import register
from signals_app.console.admin.pages import PageAdmin, page_entry
from signals_app.models import Attempt, State
from tests.signals_app.console.admin.rows import ATTEMPTS, DELIVERIES, OVERVIEW, attempt, copies, delivery, page_of

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]

EVIL = "<script>alert('x')</script>"


class WeatherAdmin(PageAdmin):
    template = "admin/signals_app/page.html"

    def page_context(self, request: HttpRequest) -> dict[str, Any]:
        return {"subtitle": f"asked for by {request.user}"}


site = AdminSite()
site.register(page_entry("Weather", "weather report"), WeatherAdmin)
register(site)
urlpatterns = [path("backstage/", site.urls)]

WEATHER = "/backstage/signals_app/weather/"


def pages(of: Attempt) -> dict[str, str]:
    """Return the addresses where an attempt or its delivery is seen."""
    return {
        "weather": WEATHER,
        "overview": reverse(OVERVIEW),
        "deliveries": reverse(DELIVERIES),
        "delivery": page_of(of.delivery),
        "emission": reverse("admin:signals_app_emission", args=[of.delivery.emission]),
        "attempts": reverse(ATTEMPTS),
        "attempt": page_of(of),
        "map": reverse("admin:signals_app_map_changelist"),
    }


# the queries that each may make, however much there is to show
PAGES = {"overview": 40, "deliveries": 19, "delivery": 10, "emission": 12, "attempts": 19, "attempt": 8, "map": 10}


@pytest.fixture
def failed() -> Attempt:
    """An attempt whose delivery failed just now and names nothing that is not hostile."""
    named = {"sender": EVIL, "signal": EVIL, "receiver": EVIL, "queue": EVIL, "owner": EVIL, "sent_by": EVIL}
    payload = f'{{"a":"{EVIL}{"A" * 4096}"}}'
    one = delivery(State.FAILED, finished_at=timezone.now(), payload=payload, sent_from=EVIL, **named)
    delivery(emission=one.emission, receiver=EVIL)
    return attempt(one, error_class=EVIL, message=EVIL + "x" * 4096, traceback=EVIL, owner=EVIL)


def test_a_page_has_an_address_a_title_and_crumbs(reader: Client) -> None:
    page = reader.get(WEATHER).content.decode()
    assert "<title>asked for by reader | Weather report | Django site admin</title>" in page
    assert "<h1>Weather report</h1>" in page
    crumbs = page.partition('class="breadcrumbs')[2].partition("</nav>")[0]
    assert '<a href="/backstage/">Home</a>' in crumbs
    assert '<a href="/backstage/signals_app/">Signals</a>' in crumbs
    assert "Weather report" in crumbs
    assert 'href="/static/signals_app/admin.css"' in page
    assert "weather" not in apps.all_models["signals_app"]


@pytest.mark.parametrize("address", ["/backstage/", "/backstage/signals_app/"])
def test_the_index_leads_to_it_who_may_see_it(reader: Client, outsider: Client, address: str) -> None:
    link = f'<a href="{WEATHER}"'
    assert link in reader.get(address).content.decode().partition('id="content"')[2]
    assert link not in outsider.get(address, follow=True).content.decode()


@pytest.mark.parametrize("name", ["weather", *PAGES])
def test_a_page_is_for_those_who_may_view_deliveries(
    name: str, failed: Attempt, reader: Client, outsider: Client
) -> None:
    address = pages(failed)[name]
    assert reader.get(address).status_code == 200
    if name not in ("deliveries", "attempts"):  # which take actions
        assert reader.post(address).status_code in (403, 405)
    assert outsider.get(address).status_code == 403
    assert Client().get(address).headers["Location"] == f"/backstage/login/?next={address}"


@pytest.mark.parametrize(("name", "offers"), [("overview", 4), ("delivery", 3), ("emission", 0)])
def test_only_what_the_user_may_do_is_offered(
    name: str, offers: int, failed: Attempt, boss: Client, reader: Client
) -> None:
    def forms(client: Client) -> int:
        page = client.get(pages(failed)[name]).content.decode()
        return page.partition('id="content"')[2].count('<form method="post"')

    assert (forms(boss), forms(reader)) == (offers, 0)


@pytest.mark.parametrize("name", PAGES)
def test_what_a_sender_wrote_becomes_no_markup_and_nothing_is_inline(name: str, failed: Attempt, boss: Client) -> None:
    page = boss.get(pages(failed)[name]).content.decode()
    assert "alert(&#x27;x&#x27;)" in page
    assert EVIL not in page
    assert "style=" not in page
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)


@pytest.mark.database
@pytest.mark.parametrize(("name", "most"), PAGES.items())
def test_the_queries_are_as_many_for_many_rows_as_for_few(
    name: str, most: int, failed: Attempt, boss: Client, django_assert_max_num_queries: Callable[[int], Any]
) -> None:
    def count() -> int:
        with django_assert_max_num_queries(most) as asked:
            assert boss.get(pages(failed)[name]).status_code == 200
        return len(asked)

    count()  # content types are remembered
    few = count()
    emission = failed.delivery.emission
    for number in range(9):
        attempt(failed.delivery, number + 2)
        attempt(delivery(State.FAILED, finished_at=timezone.now(), receiver=f"receiver {number}", emission=emission))
        delivery(State.RUNNING, queue=f"queue {number}", receiver=f"receiver {number}")
    copies(failed.delivery, 10_000)
    copies(failed, 10_000, number="i")
    assert count() == few
