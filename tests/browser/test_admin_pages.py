"""Every page of ours in the admin, full of hostile texts: on every screen, with and without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Browser, expect

from signals_app import ledger
from signals_app.ledger import Count, TallyKey
from signals_app.models import Delivery, Measure, Outcome, Pause, State
from tests.browser.visitor import SCREENS, Scheme, Visitor, visitor
from tests.browser.web import Web
from tests.signals_app.console.admin.rows import attempt, delivery, page_of

ADMIN = "/admin/signals_app/"
LIST = f"{ADMIN}delivery/"
STOCK = "/admin/shop/order/?q=x"  # a page that is all Django's own: a list with a search, filters and actions
EVIL = "<script>document.title = 'taken over'</script>"
QUEUE, RECEIVER = "q" * 90, "r" * 200
ASKED = {
    "Retry selected deliveries": "They run again as soon",
    "Move selected deliveries": "To the queue",
}

# in Django's form of a search with a help text, and beside the count of a list that does not count all of its table
SEARCH = {"label-title-only ['#searchbar']", "link-in-text-block ['.small > a']"}
_AXE_ON = "{exclude: ['#map-foreign', '#map-table tr:nth-child(n + 6)']}"  # long tables, and all alike
_OF_COLOURS = ["color-contrast", "link-in-text-block"]  # axe's rules whose answer the scheme changes
_WHICH = re.compile(r"\[[a-z]+.?=[^]]*\]|:nth-child\(\d+\)")  # of several alike

# what scrolls sideways within the content, or is cut off: for a reader as bad as a page that is too wide
_SIDEWAYS = """all => all.filter(one => {
  const style = getComputedStyle(one);
  return one.scrollWidth > one.clientWidth + 1 && style.overflowX !== "visible" && style.position !== "absolute";
}).map(one => one.outerHTML.slice(0, 200))"""

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def hostile(transactional_db: None) -> Delivery:
    """A failed delivery of hostile texts, the first of an emission with deliveries in every state."""
    now = timezone.now()
    named: dict[str, Any] = {"signal": EVIL, "sender": EVIL, "receiver": f"shop.{EVIL}{'z' * 180}", "queue": QUEUE}
    payload = f'{{"note":"{EVIL}","long":"{"A" * 4096}"}}'
    named |= {"coalesce_key": EVIL + "k" * 200, "waiting_since": now, "merged_into": 2**62}
    one = delivery(State.FAILED, payload=payload, enqueued_at=now, started_at=now, finished_at=now, **named)
    attempt(one, error_class=f"shop.{EVIL}", message=EVIL + "x" * 4096, traceback=EVIL * 40, finished_at=now)
    for state in State:
        merged = {"merged_into": one.pk} if state == State.MERGED else {}
        other = delivery(state, emission=one.emission, enqueued_at=now, progress_done=3, progress_total=8, **merged)
        for number, outcome in enumerate(Outcome, 1):
            attempt(other, number, outcome=outcome, started_at=now, finished_at=now + timedelta(seconds=number))
    delivery(queue=QUEUE, receiver=RECEIVER, unroutable=True, due_at=now + timedelta(hours=1))
    Pause.objects.create(kind="QUEUE", name=QUEUE, since=now, by=EVIL)
    ledger.keep_stat("q:1", "unreadable", queue="sigdemo", host="h" * 60, seconds=600)
    ledger.take_snapshot()
    ledger.add_tallies({TallyKey(measure=Measure.FAILURE, queue=QUEUE, receiver=one.receiver): Count(count=3)})
    ledger.keep_stat("q:2", "unreadable", queue=QUEUE, host="gone.example.org", seconds=-60)
    return one


def visit(guest: Visitor, hostile: Delivery) -> Iterator[str]:
    """Look at every page, and at what the actions ask; yield the name of each while it is shown."""
    pages = {  # with words that the page alone has
        f"{ADMIN}overview/": "Errors of the last day",
        f"{LIST}emission/{hostile.emission}/": "All charts share one time axis",
        f"{ADMIN}map/": "Plain and async receivers work within send()",
        f"{ADMIN}map/?show=unexplained": "It was renamed, removed or called by hand",
        LIST: "8 deliveries",
        f"{LIST}?state=FAILED": "2 deliveries",
        page_of(hostile): "Other deliveries of the same emission",
        page_of(Delivery.objects.get(receiver=RECEIVER)): "What waits for it is kept",
        f"{ADMIN}attempt/": f"{1 + len(State) * len(Outcome)} failed attempts",
        page_of(hostile.failed_attempts.all()[0]): "Traceback:",
    }
    for path, words in pages.items():
        guest.open(path)
        is_sound(guest, words)
        yield path
    guest.open(page_of(hostile))
    guest.page.get_by_role("button", name=f"Pause {hostile.receiver}").click()
    is_sound(guest, "Without it, the pause lasts until somebody ends it")
    yield "pause"
    for action, words in ASKED.items():
        guest.open(f"{LIST}?state=FAILED")
        option = guest.page.get_by_label("Action:").locator("option", has_text=action)
        guest.page.get_by_label("Action:").select_option(option.inner_text())
        guest.page.get_by_label("on all that match the filter").check()
        guest.page.locator("button[name=index]").click()
        is_sound(guest, words)
        yield action


def barriers(guest: Visitor, rules: list[str]) -> set[str]:
    """Return what axe has against a page, by rule and kind of place."""
    return {
        f"{one['id']} {_WHICH.sub('', str(node['target']))}"
        for one in guest.violations(_AXE_ON, rules)
        for node in one["nodes"]
    }


def is_sound(guest: Visitor, words: str) -> None:
    """Assert that a page shows these words, fits the screen, and that nothing in it was run."""
    content = guest.page.locator("#content")
    expect(content.get_by_text(words).first).to_be_visible()
    content.locator("details").evaluate_all("all => all.forEach(one => (one.open = true))")
    guest.fits()
    assert content.locator("*").evaluate_all(_SIDEWAYS) == [], guest.page.url
    guest.is_untroubled()
    expect(guest.page.locator("script:not([src])")).to_have_count(0)
    assert guest.page.title() != "taken over"


@pytest.mark.parametrize(("scheme", "width"), SCREENS)
def test_a_page_is_sound_and_no_harder_to_use_than_stock_admin(
    browser: Browser, web: Web, hostile: Delivery, scheme: Scheme, width: int
) -> None:
    rules = [] if (scheme, width) in SCREENS[:2] else _OF_COLOURS  # those two have either scheme and either width
    with visitor(browser, web.url, width=width, scheme=scheme) as guest:
        guest.log_in()
        guest.open(STOCK)
        known = SEARCH | barriers(guest, rules)
        for page in visit(guest, hostile):
            assert barriers(guest, rules) - known == set(), page


@pytest.mark.parametrize(("scheme", "width"), SCREENS[:2])
def test_a_page_is_sound_without_javascript(
    browser: Browser, web: Web, hostile: Delivery, scheme: Scheme, width: int
) -> None:
    with visitor(browser, web.url, width=width, scheme=scheme, javascript=False) as guest:
        guest.log_in()
        for _page in visit(guest, hostile):
            expect(guest.page.locator("[data-live-bar]:visible")).to_have_count(0)


def test_no_page_of_the_admin_breaks_the_policy(ada: Visitor) -> None:
    User.objects.create_superuser("root", password="a secret")
    ada.open("/admin/")
    ada.page.get_by_label("Username").fill("root")
    ada.page.get_by_label("Password").fill("a secret")
    ada.page.get_by_role("button", name="Log in").click()
    ada.page.wait_for_url("**/admin/")
    waiting, seen = {"/admin/"}, set[str]()

    while waiting:
        path = min(waiting)
        waiting.remove(path)
        seen.add(kind_of(path))
        ada.open(path)
        assert ada.complaints == [], path
        ada.is_untroubled()
        links = ada.page.eval_on_selector_all("a[href]", "links => links.map(link => link.href)")
        paths = {urlsplit(urljoin(ada.page.url, link)).path for link in links if link.startswith(ada.site)}
        waiting |= {path for path in paths if path.startswith("/admin/") and kind_of(path) not in seen}

    assert {"auth/user/change", "shop/product", "shop/product/change", "auth/group/add"} <= seen


def kind_of(path: str) -> str:
    """Return a path without the keys in it: pages of one kind are alike."""
    known = {"add", "change", "delete", "history", "password"}
    app_and_model, rest = path.split("/")[2:4], path.split("/")[4:]
    return "/".join(app_and_model + [part for part in rest if part in known])
