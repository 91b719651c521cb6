"""Deliveries in the admin, in a real browser."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Browser, expect

from signals_app.models import Delivery, Outcome, State
from tests.browser.backstage import log_in
from tests.browser.visitor import Visitor, visitor
from tests.browser.web import Web
from tests.cluster import Cluster, wait_for_end
from tests.signals_app.console.admin.rows import attempt, delivery, page_of
from tests.testapp.receivers import enqueue, fails

LIST = "/admin/signals_app/delivery/"
ATTEMPTS = "/admin/signals_app/attempt/"
OFFERED = ["Cancel", "Run now", "Move to another queue", "Give to another receiver"]
PAUSES = ["Pause shop.receivers.send_mail", "Pause sigdemo"]
FOCUS = "document.activeElement.getAttribute('href')"
EVIL = "<script>document.title = 'taken over'</script>"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def failed(transactional_db: None) -> Delivery:
    """A failed delivery whose sender and errors are long and hostile, among deliveries in every state."""
    User.objects.create_superuser("root")
    one = delivery(State.FAILED, payload=f'{{"note":"{EVIL}","long":"{"A" * 4096}"}}', max_attempts=1)
    attempt(one, error_class=f"shop.{EVIL}", message=EVIL + "x" * 4096, traceback=EVIL * 40)
    attempt(one, 2, outcome=Outcome.TIMEOUT)
    for state in State:
        delivery(state, emission=one.emission, progress_done=3, progress_total=8)
    delivery(unroutable=True, receiver="shop." + "z" * 200)
    return one


def test_a_narrow_screen_names_the_columns_in_each_row(browser: Browser, web: Web, failed: Delivery) -> None:
    with visitor(browser, web.url, width=390) as guest:
        log_in(guest)
        guest.open(f"{LIST}?state=FAILED")
        row = guest.page.locator("#result_list tbody tr")
        expect(row.first.get_by_text("Waited")).to_be_visible()
        expect(row.first.get_by_text("failed")).to_be_in_viewport()


def test_a_traceback_is_folded_until_it_is_asked_for(ada: Visitor, failed: Delivery) -> None:
    log_in(ada)
    ada.open(page_of(failed))
    traceback = ada.page.get_by_text("ValueError: the stock is negative")
    expect(traceback).to_be_hidden()
    ada.page.get_by_text("Traceback", exact=True).last.click()
    expect(traceback).to_be_visible()


def test_a_failed_delivery_is_retried_and_runs_again(ada: Visitor, cluster: Cluster) -> None:
    User.objects.create_superuser("root")
    one = enqueue(fails)
    wait_for_end([one])
    assert (one.state, one.attempts) == (State.FAILED, 3)

    log_in(ada)
    ada.open(page_of(one))
    ada.page.get_by_role("button", name="Retry").click()
    expect(ada.page.get_by_text("This changes 1 delivery.")).to_be_visible()
    ada.page.get_by_role("button", name="Retry").click()

    ada.page.wait_for_url(f"**{page_of(one)}")
    told = ada.page.get_by_text("1 delivery is ready again.")
    expect(told).to_be_visible()
    wait_for_end([one])
    assert (one.state, one.attempts) == (State.FAILED, 6)
    ada.page.reload()
    expect(ada.page.get_by_text("it went wrong at attempt 6", exact=True)).to_be_visible()
    ada.page.get_by_role("link", name="History").click()
    expect(ada.page.get_by_text("Retried, with up to 3 more attempts.")).to_be_visible()
    ada.is_untroubled()


def test_without_javascript_deliveries_are_cancelled_from_the_list(grace: Visitor, failed: Delivery) -> None:
    log_in(grace)
    grace.open(f"{LIST}?state=READY")
    for box in grace.page.locator("#result_list tbody input[type=checkbox]").all():
        box.check()
    grace.page.get_by_label("Action:").select_option("Cancel selected deliveries")
    grace.page.locator("button[name=index]").click()
    expect(grace.page.get_by_text("This changes 2 deliveries.")).to_be_visible()
    grace.page.get_by_role("button", name="Cancel").click()
    expect(grace.page.get_by_text("2 deliveries were cancelled.")).to_be_visible()
    assert not Delivery.objects.filter(state=State.READY).exists()


def test_without_javascript_a_delivery_is_given_away_and_its_queue_paused_on_its_page(
    grace: Visitor, failed: Delivery
) -> None:
    one = delivery(unroutable=True, due_at=timezone.now() + timedelta(hours=1))
    log_in(grace)
    grace.open(page_of(one))
    content = grace.page.locator("#content")
    expect(content.get_by_role("button")).to_have_text(OFFERED + PAUSES)
    expect(content.get_by_label("Refresh")).to_be_hidden()

    content.get_by_role("button", name="Pause sigdemo", exact=True).click()
    expect(content.get_by_text("Paused: queue sigdemo by root.")).to_be_visible()
    content.get_by_role("button", name="Resume sigdemo", exact=True).click()
    expect(content.get_by_text("Paused:")).to_have_count(0)

    content.get_by_role("button", name="Give to another receiver").click()
    content.get_by_label("To the receiver").select_option(fails.key)
    content.get_by_role("button", name="Go on").click()
    content.get_by_role("button", name=f"Give to the receiver {fails.key}").click()
    grace.page.wait_for_url(f"**{page_of(one)}")
    expect(grace.page.get_by_text(f"1 delivery waits for {fails.key} now.")).to_be_visible()
    expect(grace.page.get_by_role("heading", name=fails.key)).to_be_visible()
    grace.is_untroubled()


def test_what_runs_is_seen_to_end_on_its_page_while_focus_and_details_stay(ada: Visitor, failed: Delivery) -> None:
    one = delivery(State.RUNNING, attempts=2, progress_done=3, progress_total=8, emission=failed.emission)
    attempt(one)
    log_in(ada)
    ada.page.clock.install()
    ada.open(page_of(one))
    page = ada.page.locator("#delivery-page")
    expect(page.locator("#delivery-standing")).to_contain_text("running")
    page.get_by_text("Traceback", exact=True).click()
    page.locator("#delivery-siblings a").first.focus()
    focused = ada.page.evaluate(FOCUS)
    assert focused
    ada.page.evaluate("window.isTheSame = true")

    Delivery.objects.filter(pk=one.pk).update(progress_done=5)
    ada.page.clock.run_for(6_000)
    expect(page.locator("#delivery-standing progress")).to_have_attribute("value", "5")
    Delivery.objects.filter(pk=one.pk).update(state=State.SUCCESSFUL, finished_at=timezone.now())
    ada.page.clock.run_for(6_000)
    expect(page.locator("#delivery-standing")).to_contain_text("successful")
    expect(page.locator("#delivery-attempts li").last).to_contain_text("Attempt 2 successful")
    expect(page.get_by_text("Traceback (most recent call last):")).to_be_visible()
    assert ada.page.evaluate(FOCUS) == focused
    assert ada.page.evaluate("window.isTheSame")
    ada.is_untroubled()
