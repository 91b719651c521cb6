"""Every page of ours in the admin, full of hostile texts: on every screen, with and without JavaScript."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Browser, expect

from signals_app import ledger
from signals_app.models import Delivery, Outcome, Pause, State
from tests.browser.backstage import SCREENS, STOCK, barriers, log_in, scrolls_sideways
from tests.browser.visitor import Scheme, Visitor, visitor
from tests.browser.web import Web
from tests.signals_app.console.admin.rows import attempt, delivery, page_of

ADMIN = "/admin/signals_app/"
LIST = f"{ADMIN}delivery/"
EVIL = "<script>document.title = 'taken over'</script>"
QUEUE, RECEIVER = "q" * 90, "r" * 200
ASKED = {"Retry selected deliveries": "This changes 2 deliveries.", "Move selected deliveries": "To the queue"}

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def root(transactional_db: None) -> None:
    """Somebody who may do everything."""
    User.objects.create_superuser("root")


@pytest.fixture
def hostile(transactional_db: None) -> Delivery:
    """A failed delivery of hostile texts, the first of an emission with deliveries in every state."""
    now = timezone.now()
    named = {"signal": EVIL, "sender": EVIL, "receiver": f"shop.{EVIL}{'z' * 180}", "queue": QUEUE}
    payload = f'{{"note":"{EVIL}","long":"{"A" * 4096}"}}'
    one = delivery(State.FAILED, payload=payload, enqueued_at=now, started_at=now, finished_at=now, **named)
    attempt(one, error_class=f"shop.{EVIL}", message=EVIL + "x" * 4096, traceback=EVIL * 40, finished_at=now)
    for state in State:
        other = delivery(state, emission=one.emission, enqueued_at=now, progress_done=3, progress_total=8)
        for number, outcome in enumerate(Outcome, 1):
            attempt(other, number, outcome=outcome, started_at=now, finished_at=now + timedelta(seconds=number))
    delivery(queue=QUEUE, receiver=RECEIVER, unroutable=True, due_at=now + timedelta(hours=1))
    Pause.objects.create(kind="QUEUE", name=QUEUE, since=now, by=EVIL)
    ledger.keep_stat("q:1", "unreadable", queue="sigdemo", host="h" * 60, seconds=600)
    ledger.keep_stat("q:2", "unreadable", queue=QUEUE, host="gone.example.org", seconds=-60)
    return one


def pages(hostile: Delivery) -> dict[str, str]:
    """Return the addresses, each with words that its page alone has."""
    return {
        f"{ADMIN}overview/": "Failures of the last day",
        f"{LIST}emission/{hostile.emission}/": "All pictures share one axis",
        f"{ADMIN}map/": "Plain and async receivers work within send()",
        f"{ADMIN}map/?show=unexplained": "It was renamed, removed or called by hand",
        LIST: "7 deliveries",
        f"{LIST}?state=FAILED": "2 deliveries",
        page_of(hostile): "Other deliveries of the same emission",
        page_of(Delivery.objects.get(receiver=RECEIVER)): "or give it to another receiver",
        f"{ADMIN}attempt/": "31 attempts",
        page_of(hostile.failed_attempts.all()[0]): "Traceback:",
        f"{ADMIN}clusterstat/": "2 clusters",
    }


def is_sound(guest: Visitor, words: str) -> None:
    """Assert that a page shows these words, fits the screen, and that nothing in it was run."""
    content = guest.page.locator("#content")
    expect(content.get_by_text(words).first).to_be_visible()
    content.locator("details").evaluate_all("all => all.forEach(one => (one.open = true))")
    guest.fits()
    assert scrolls_sideways(guest.page) == [], guest.page.url
    guest.is_untroubled()
    expect(guest.page.locator("script:not([src])")).to_have_count(0)
    assert guest.page.title() != "taken over"


def ask(guest: Visitor, action: str) -> None:
    """Choose an action for the failed deliveries, all of them."""
    guest.open(f"{LIST}?state=FAILED")
    option = guest.page.get_by_label("Action:").locator("option", has_text=action)
    guest.page.get_by_label("Action:").select_option(option.inner_text())
    guest.page.get_by_label("on all that match the filter").check()
    guest.page.locator("button[name=index]").click()


@pytest.mark.parametrize(("scheme", "width"), SCREENS)
def test_a_page_is_sound_and_no_harder_to_use_than_stock_admin(
    browser: Browser, web: Web, root: None, hostile: Delivery, scheme: Scheme, width: int
) -> None:
    with visitor(browser, web.url, width=width, scheme=scheme) as guest:
        log_in(guest)
        guest.open(STOCK)
        stock = barriers(guest)
        for path, words in pages(hostile).items():
            guest.open(path)
            is_sound(guest, words)
            assert {place: html for place, html in barriers(guest).items() if place not in stock} == {}, path
        for action, words in ASKED.items():
            ask(guest, action)
            is_sound(guest, words)
            assert {place: html for place, html in barriers(guest).items() if place not in stock} == {}, action


@pytest.mark.parametrize(("scheme", "width"), SCREENS[:2])
def test_a_page_is_sound_without_javascript(
    browser: Browser, web: Web, root: None, hostile: Delivery, scheme: Scheme, width: int
) -> None:
    with visitor(browser, web.url, width=width, scheme=scheme, javascript=False) as guest:
        log_in(guest)
        for path, words in pages(hostile).items():
            guest.open(path)
            is_sound(guest, words)
            expect(guest.page.locator("[data-live-bar]:visible")).to_have_count(0)
        for action, words in ASKED.items():
            ask(guest, action)
            is_sound(guest, words)
