"""What tests of the admin do in a browser."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

from tests.browser.visitor import AXE, Scheme, Visitor

if TYPE_CHECKING:
    from playwright.sync_api import Page

SCREENS: tuple[tuple[Scheme, int], ...] = (("light", 1280), ("dark", 390), ("dark", 1280), ("light", 390))
STOCK = "/admin/shop/order/?q=x"  # a page that is all Django's own: a list with a search, filters and actions

# in Django's form of a search with a help text, and beside the count of a list that does not count all of its table
SEARCH = {"label-title-only ['#searchbar']", "link-in-text-block ['.small > a']"}
_AXE_ON = "{exclude: ['#map-foreign']}"  # a long table, made as that above it
_WHICH = re.compile(r"\[[a-z]+.?=[^]]*\]|:nth-child\(\d+\)")  # of several alike

# what scrolls sideways within the content, or is cut off: for a reader as bad as a page that is too wide
_SIDEWAYS = """all => all.filter(one => {
  const style = getComputedStyle(one);
  return one.scrollWidth > one.clientWidth + 1 && style.overflowX !== "visible" && style.position !== "absolute";
}).map(one => one.outerHTML.slice(0, 200))"""


def log_in(guest: Visitor) -> None:
    """Give a visitor a session of ``root``; the form is tested in test_admin_policy."""
    client = Client()
    client.force_login(User.objects.get(username="root"))
    cookie = client.cookies[settings.SESSION_COOKIE_NAME]
    guest.page.context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": guest.site}])


def barriers(guest: Visitor) -> dict[str, str]:
    """Return what axe has against a page: by rule and kind of place, the markup."""
    guest.page.evaluate((files("axe_playwright_python") / AXE).read_text())
    found = guest.page.evaluate(f"axe.run({_AXE_ON}, {{preload: false, resultTypes: ['violations']}})")
    guest.complaints.clear()  # the policy has refused axe its styles
    places = ((one["id"], node) for one in found["violations"] for node in one["nodes"])
    named = {f"{rule} {_WHICH.sub('', str(node['target']))}": node["html"] for rule, node in places}
    return {place: html for place, html in named.items() if place not in SEARCH}


def scrolls_sideways(page: Page) -> list[str]:
    """Return the parts of the content that are wider than their place."""
    found: list[str] = page.locator("#content *").evaluate_all(_SIDEWAYS)
    return found
