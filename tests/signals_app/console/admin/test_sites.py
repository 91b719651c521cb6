"""A second ``AdminSite``, and themes of the admin: each page works in them and leads to no other site."""

from __future__ import annotations

import importlib
import re
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.template.loader import get_template
from django.test import Client
from django.urls import path
from django.utils import timezone
from pytest_django import Settings

from signals_app import ledger
from signals_app.console.admin import check_sites, register
from signals_app.console.admin.deliveries import DeliveryAdmin
from signals_app.models import Delivery, State
from tests.signals_app.console.admin.rows import attempt, delivery
from tests.testapp.receivers import enqueue, nothing

pytestmark = pytest.mark.django_db

second = admin.AdminSite("second")
register(second)
without_us = admin.AdminSite()
without_us.register(User)


def urls(**sites: admin.AdminSite) -> type:
    """Return a URLconf of admins."""
    return type("Urls", (), {"urlpatterns": [path(f"{prefix}/", site.urls) for prefix, site in sites.items()]})


SITES = {
    "the default one": (urls(one=admin.site), "/one/"),
    "the default one beside another": (urls(one=admin.site, two=second), "/one/"),
    "a second one": (urls(one=admin.site, two=second), "/two/"),
    "a second one that alone has the app": (urls(one=without_us, two=second), "/two/"),
    "a second one alone": (urls(two=second), "/two/"),
}
THEMES = {"unfold": "unfold.apps.BasicAppConfig", "jazzmin": "jazzmin"}  # the app that each needs before the admin


@pytest.fixture(params=[*SITES, *THEMES])
def prefix(request: pytest.FixtureRequest, settings: Settings) -> str:
    """Where the site under test is mounted."""
    settings.MIDDLEWARE = [one for one in settings.MIDDLEWARE if not one.startswith(("sigdemo.", "csp."))]
    if theme := THEMES.get(request.param):
        pytest.importorskip(request.param, reason=f"{request.param} is missing: pip install django-{request.param}")
        settings.INSTALLED_APPS = [theme, *settings.INSTALLED_APPS]
        base: Any = get_template("admin/base.html")
        assert f"/{request.param}/" in base.origin.name
        site = admin.AdminSite("themed")
        if request.param == "unfold":
            site = importlib.import_module("unfold.sites").UnfoldAdminSite("themed")
        register(site)
        settings.ROOT_URLCONF, mounted = urls(themed=site), "/themed/"
    else:
        settings.ROOT_URLCONF, mounted = SITES[request.param]
    return mounted


@pytest.fixture
def failed() -> Delivery:
    """A delivery with an attempt, a brother and a father, so that its page has every link."""
    father = delivery(State.SUCCESSFUL)
    found = delivery(State.FAILED, sent_from=f"delivery #{father.pk}")
    delivery(State.READY, emission=found.emission, attempts=1)
    Delivery.objects.filter(pk=found.pk).update(finished_at=timezone.now())  # lately, so the overview shows it
    attempt(found)
    enqueue(nothing)
    ledger.keep_stat("sigdemo:1", "signed", queue="sigdemo", host="vm", seconds=60)
    return found


def leads_elsewhere(page: Any, prefix: str) -> list[str]:
    """Return the addresses of this server that a page leads to and that are not the site's own."""
    found = re.findall(r'(?:href|action|data-[a-z-]+)="(/[^"]*)"', page.content.decode())
    return [one for one in found if not one.startswith((prefix, "/static/")) and one != "/"]  # "/" is the site's front


def test_each_page_is_there_and_leads_to_its_own_site(prefix: str, boss: Client, failed: Delivery) -> None:
    pages = f"{prefix}signals_app/"
    of_failed, emission = f"{pages}delivery/{failed.pk}/", f"{pages}delivery/emission/{failed.emission}/"
    change = f"{of_failed}change/"
    for address, *links in (
        (prefix,),
        (pages,),
        (f"{pages}clusterstat/", f"{pages}delivery/"),
        (f"{pages}overview/", f'{pages}delivery/?state=FAILED"', f"{pages}attempt/?outcome=LOST"),
        (f"{pages}delivery/?state=FAILED&queue=sigdemo", change),
        (change, f"{of_failed}operate/retry/", emission, f"{pages}delivery/{failed.pk - 1}/change/"),
        (f"{of_failed}history/",),
        (emission, change),
        (f"{pages}attempt/", change),
        (f"{pages}attempt/{failed.failed_attempts.get().pk}/change/", change),
        (f"{pages}map/", f"{pages}delivery/?state=READY", f"{pages}map/?show="),
    ):
        page = boss.get(address, follow=True)
        assert page.status_code == 200, address
        assert leads_elsewhere(page, prefix) == [], address
        assert ("signals_app/admin.css" in page.content.decode()) == bool(links), address
        assert [link for link in links if link not in page.content.decode()] == [], address


def test_the_index_alone_says_what_is_wrong_to_those_who_may_see_it(
    prefix: str, boss: Client, outsider: Client
) -> None:
    alarm = "Overview \N{WARNING SIGN} stopped"  # no cluster is running
    assert alarm in boss.get(prefix).content.decode()
    assert alarm not in boss.get(f"{prefix}signals_app/delivery/").content.decode()
    assert "stopped" not in outsider.get(prefix).content.decode()
    for queue in ("sigdemo", "elsewhere", "lab-crash"):
        ledger.keep_stat(f"{queue}:1", "signed", queue=queue, host="vm", seconds=60)
    assert "\N{WARNING SIGN}" not in boss.get(prefix).content.decode()


def test_what_is_done_leads_back_to_its_own_site(prefix: str, boss: Client, failed: Delivery) -> None:
    pages = f"{prefix}signals_app/"
    of_failed = f"{pages}delivery/{failed.pk}/"
    asked = boss.post(f"{of_failed}operate/retry/")
    assert asked.status_code == 200
    assert leads_elsewhere(asked, prefix) == []
    done = boss.post(f"{of_failed}operate/retry/", {"confirmed": "yes"})
    assert (done.status_code, done["Location"]) == (302, f"{of_failed}change/")
    pause = {"kind": "QUEUE", "name": "sigdemo", "back": f"{of_failed}change/"}
    asked = boss.post(f"{pages}overview/pause/", pause | {"do": "ask"})
    assert asked.status_code == 200
    assert leads_elsewhere(asked, prefix) == []
    paused = boss.post(f"{pages}overview/pause/", pause | {"do": "pause", "back": ""})
    assert (paused.status_code, paused["Location"]) == (302, f"{pages}overview/")
    selected = {"action": "cancel", "_selected_action": str(failed.pk)}
    listed = boss.post(f"{pages}delivery/", selected)
    assert listed.status_code == 200
    assert leads_elsewhere(listed, prefix) == []


def test_a_site_with_some_of_the_pages_is_warned_of() -> None:
    some = admin.AdminSite("some")
    assert check_sites() == []
    some.register(Delivery, DeliveryAdmin)
    (warning,) = check_sites()
    assert (warning.id, warning.hint) == (
        "signals_app.W008",
        "Call signals_app.admin.register(site) in place of registering them one by one.",
    )
    assert "The admin site 'some' has only some of signals_app's pages" in warning.msg
    some.unregister(Delivery)
    register(some)
    assert check_sites() == []
