"""Pages of the admin that list no table."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.test import Client
from django.urls import path, reverse

from signals_app.console.admin.pages import PageAdmin, page_entry

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


class WeatherAdmin(PageAdmin):
    template = "admin/signals_app/page.html"

    def page_context(self, request: HttpRequest) -> dict[str, Any]:
        return {"subtitle": f"asked for by {request.user}"}


site = AdminSite()
site.register(page_entry("Weather", "weather report"), WeatherAdmin)
urlpatterns = [path("backstage/", site.urls)]

WEATHER = "admin:signals_app_weather_changelist"


def test_a_page_has_an_address_a_title_and_crumbs(reader: Client) -> None:
    assert reverse(WEATHER) == "/backstage/signals_app/weather/"
    page = reader.get(reverse(WEATHER)).content.decode()
    assert "<title>asked for by reader | Weather report | Django site admin</title>" in page
    assert "<h1>Weather report</h1>" in page
    crumbs = page.partition('class="breadcrumbs"')[2].partition("</nav>")[0]
    assert '<a href="/backstage/">Home</a>' in crumbs
    assert '<a href="/backstage/signals_app/">Signals</a>' in crumbs
    assert "Weather report" in crumbs
    assert 'href="/static/signals_app/admin.css"' in page


@pytest.mark.parametrize("address", ["/backstage/", "/backstage/signals_app/"])
def test_the_index_leads_to_it(reader: Client, address: str) -> None:
    link = '<a href="/backstage/signals_app/weather/"'
    assert link in reader.get(address).content.decode().partition('id="content"')[2]


def test_only_who_may_view_deliveries_sees_it(boss: Client, outsider: Client) -> None:
    assert boss.get(reverse(WEATHER)).status_code == 200
    assert outsider.get(reverse(WEATHER)).status_code == 403
    assert "/backstage/signals_app/weather/" not in outsider.get("/backstage/").content.decode()
    to_login = Client().get(reverse(WEATHER))
    assert to_login.headers["Location"] == "/backstage/login/?next=/backstage/signals_app/weather/"


def test_it_takes_no_post(boss: Client) -> None:
    assert boss.post(reverse(WEATHER)).status_code == 405


def test_its_entry_is_no_model_of_the_project() -> None:
    assert "weather" not in apps.all_models["signals_app"]
