"""The overview, an emission and the confirmation of actions, in a real browser."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import Permission, User
from django.utils import timezone
from playwright.sync_api import Browser, expect

from signals_app.models import Delivery, Outcome, Pause, State
from tests.browser.backstage import barriers, log_in
from tests.browser.visitor import Scheme, Visitor, visitor
from tests.browser.web import Web
from tests.cluster import Cluster
from tests.signals_app.admin.rows import attempt, delivery
from tests.testapp.receivers import hand_off, long_work

if TYPE_CHECKING:
    from playwright.sync_api import Page

OVERVIEW = "/admin/signals_app/overview/"
LIST = "/admin/signals_app/delivery/"
LABEL = "shop.receivers.print_label"
EVIL = "<script>document.title = 'taken over'</script>"
TRACEBACK = 'Traceback (most recent call last):\n  File "/srv/shop/labels.py", line 12, in print_label\nshop.PaperJam'
SCREENS: tuple[tuple[Scheme, int], ...] = (("light", 1280), ("dark", 390), ("dark", 1280), ("light", 390))
FOCUS = "document.activeElement.getAttribute('href')"
PATIENCE = 30_000  # milliseconds

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def root(transactional_db: None) -> None:
    """Somebody who may do everything."""
    User.objects.create_superuser("root", password="a secret")


@pytest.fixture
def thirty(root: None) -> None:
    """An hour in which 30 deliveries ended, 8 of them badly and all for one reason."""
    for number in range(30):
        ended = timezone.now() - timedelta(minutes=number)
        if number % 4 or number > 28:
            delivery(State.SUCCESSFUL, receiver=LABEL, started_at=ended, finished_at=ended)
        else:
            one = delivery(State.FAILED, receiver=LABEL, started_at=ended, finished_at=ended)
            attempt(one, error_class="shop.PaperJam", message="tray 2", traceback=TRACEBACK, finished_at=ended)


@pytest.fixture
def hostile(root: None) -> Delivery:
    """A failed delivery of hostile texts, the first of an emission with deliveries in every state."""
    now = timezone.now()
    named = {"signal": EVIL, "sender": EVIL, "receiver": f"shop.{EVIL}{'z' * 180}", "queue": "q" * 90}
    payload = f'{{"note":"{EVIL}","long":"{"A" * 4096}"}}'
    one = delivery(State.FAILED, payload=payload, enqueued_at=now, started_at=now, finished_at=now, **named)
    attempt(one, error_class=f"shop.{EVIL}", message=EVIL + "x" * 4096, traceback=EVIL * 40, finished_at=now)
    for state in State:
        other = delivery(state, emission=one.emission, enqueued_at=now, progress_done=3, progress_total=8)
        for number, outcome in enumerate(Outcome, 1):
            attempt(other, number, outcome=outcome, started_at=now, finished_at=now + timedelta(seconds=number))
    delivery(queue="q" * 90, receiver="r" * 200, unroutable=True)
    Pause.objects.create(kind="QUEUE", name="q" * 90, since=now, by=EVIL)
    return one


def emission_of(one: Delivery) -> str:
    return f"{LIST}emission/{one.emission}/"


def hide(page: Page, hidden: str) -> None:
    """Tell a page that its tab is hidden, or that it is seen again."""
    page.evaluate(
        f"Object.defineProperty(document, 'hidden', {{value: {hidden}, configurable: true}});"
        "document.dispatchEvent(new Event('visibilitychange'));"
    )


def test_every_page_fits_every_screen_and_keeps_the_policy(browser: Browser, web: Web, hostile: Delivery) -> None:
    for scheme, width in SCREENS:
        with visitor(browser, web.url, width=width, scheme=scheme) as guest:
            log_in(guest)
            for path in (OVERVIEW, emission_of(hostile), f"{LIST}?state=FAILED"):
                guest.open(path)
                if path.startswith(LIST + "?"):
                    guest.page.get_by_label("Action:").select_option("Retry selected deliveries")
                    guest.page.get_by_label("on all that match the filter").check()
                    guest.page.locator("button[name=index]").click()
                    expect(guest.page.get_by_text("This changes 2 deliveries.")).to_be_visible()
                guest.page.locator("#content details").evaluate_all("all => all.forEach(one => (one.open = true))")
                guest.fits()
                guest.is_untroubled()
                assert guest.page.title() != "taken over"
                if scheme == "light":
                    assert barriers(guest) == []


def test_the_overview_is_read_and_a_group_retried_without_javascript(grace: Visitor, thirty: None) -> None:
    log_in(grace)
    cards = grace.page.locator("#overview-cards a")
    for label, number in (("succeeded, last hour", 22), ("failed, last hour", 8)):
        grace.open(OVERVIEW)
        card = cards.filter(has_text=label)
        expect(card.locator(".signals-card-value")).to_have_text(str(number))
        card.click()
        expect(grace.page.locator("#result_list tbody tr")).to_have_count(number)

    grace.open(OVERVIEW)
    expect(grace.page.get_by_label("Refresh")).to_be_hidden()
    group = grace.page.locator("article").filter(has_text="at shop/labels.py:12 in print_label")
    expect(group).to_contain_text(f"8 deliveries of {LABEL}")
    group.get_by_role("button", name="Retry this group").click()
    expect(grace.page.get_by_text("This changes 8 deliveries.")).to_be_visible()
    assert not Delivery.objects.filter(state=State.READY).exists()
    grace.page.get_by_role("button", name="Retry", exact=True).click()
    expect(grace.page.get_by_text("8 deliveries are ready again.")).to_be_visible()
    assert Delivery.objects.filter(state=State.READY).count() == 8
    grace.is_untroubled()


def test_all_that_match_the_filter_are_retried_without_javascript(grace: Visitor, thirty: None) -> None:
    other = delivery(State.FAILED, receiver="shop.receivers.send_mail")
    log_in(grace)
    grace.open(f"{LIST}?state=FAILED&receiver={LABEL}")
    grace.page.get_by_label("Action:").select_option("Retry selected deliveries")
    grace.page.get_by_label("on all that match the filter").check()
    grace.page.locator("button[name=index]").click()
    expect(grace.page.get_by_text("This changes 8 deliveries.")).to_be_visible()
    grace.page.get_by_role("button", name="Retry", exact=True).click()
    grace.page.wait_for_url(f"**/?state=FAILED&receiver={LABEL}")
    expect(grace.page.get_by_text("8 deliveries are ready again.")).to_be_visible()
    assert [*Delivery.objects.filter(state=State.FAILED)] == [other]


def test_what_runs_is_seen_to_end_while_focus_and_details_stay(ada: Visitor, cluster: Cluster, root: None) -> None:
    log_in(ada)
    ada.open(OVERVIEW)
    ada.page.get_by_label("Refresh").select_option("every 2 s")
    one = hand_off(long_work, seconds=5)
    beside = delivery(State.FAILED, emission=one.emission, enqueued_at=one.enqueued_at, finished_at=timezone.now())
    attempt(beside)
    running = ada.page.locator("#overview-cards a").filter(has_text=re.compile(r"running\s+1$"))
    expect(running).to_be_visible(timeout=PATIENCE)
    overview, emission = ada.page, ada.page.context.new_page()
    emission.goto(f"{ada.site}{emission_of(one)}")
    lane = emission.locator(f"article[data-key='{one.pk}']")
    expect(lane.locator("h3")).to_contain_text("running")

    overview.get_by_text("As a table").click()
    overview.locator("#overview-cards a").filter(has_text="failed, last hour").focus()
    emission.get_by_text("Traceback", exact=True).click()
    lane.locator("h3 a").focus()
    focused = [overview.evaluate(FOCUS), emission.evaluate(FOCUS)]
    for page in (overview, emission):
        page.evaluate("window.isTheSame = true")

    expect(lane.locator("h3")).to_contain_text("successful", timeout=PATIENCE)
    succeeded = overview.locator("#overview-cards a").filter(has_text=re.compile(r"succeeded, last hour\s+1$"))
    expect(succeeded).to_be_visible(timeout=PATIENCE)
    assert [overview.evaluate(FOCUS), emission.evaluate(FOCUS)] == focused
    for page in (overview, emission):
        expect(page.locator("details[open]")).to_have_count(1)
        assert page.evaluate("window.isTheSame")
    ada.is_untroubled()


def test_a_hidden_tab_asks_nothing_and_off_is_remembered(ada: Visitor, root: None) -> None:
    log_in(ada)
    ada.page.clock.install()
    ada.open(OVERVIEW)
    ada.page.get_by_label("Refresh").select_option("every 15 s")
    asked: list[str] = []
    ada.page.on("request", lambda request: asked.append(request.url))
    ada.page.clock.run_for(14_000)
    assert asked == []
    with ada.page.expect_response(f"**{OVERVIEW}"):
        ada.page.clock.run_for(2_000)

    hide(ada.page, "true")
    asked.clear()
    ada.page.clock.run_for(600_000)
    assert asked == []
    with ada.page.expect_response(f"**{OVERVIEW}"):
        hide(ada.page, "false")

    ada.page.get_by_label("Refresh").select_option("off")
    ada.page.reload()
    expect(ada.page.get_by_label("Refresh")).to_have_value("0")
    asked.clear()
    ada.page.clock.run_for(600_000)
    hide(ada.page, "true")
    hide(ada.page, "false")
    assert asked == []
    ada.is_untroubled()


def test_who_may_only_look_is_offered_nothing_and_changes_nothing(ada: Visitor, thirty: None) -> None:
    User.objects.all().delete()
    reader = User.objects.create_user("root", password="a secret", is_staff=True)
    reader.user_permissions.add(*Permission.objects.filter(codename__in=["view_delivery", "view_attempt"]))
    failed = Delivery.objects.filter(state=State.FAILED)
    ids = [str(pk) for pk in failed.values_list("pk", flat=True)]
    log_in(ada)
    content = ada.page.locator("#content")
    for path in (OVERVIEW, f"{LIST}?state=FAILED", emission_of(failed[0])):
        ada.open(path)
        expect(content.locator("form[method=post] button, button[name=index]")).to_have_count(0)
        expect(content.get_by_role("button", name=re.compile("Retry|Pause|Cancel|Go"))).to_have_count(0)

    token = ada.page.locator("[name=csrfmiddlewaretoken]").first.input_value()
    for path, fields in (
        (LIST, {"action": "retry", "confirmed": "yes", "select_across": "1", "_selected_action": ids[0], "index": "0"}),
        (f"{OVERVIEW}pause/", {"kind": "QUEUE", "name": "sigdemo", "do": "pause"}),
        (f"{LIST}{ids[0]}/operate/retry/", {}),
    ):
        forged: dict[str, str | float | bool] = {"csrfmiddlewaretoken": token, **fields}
        answer = ada.page.request.post(f"{ada.site}{path}", form=forged, headers={"Referer": ada.page.url})
        assert "CSRF" not in answer.text(), "It was refused for another reason."
    assert failed.count() == 8
    assert not Pause.objects.exists()
