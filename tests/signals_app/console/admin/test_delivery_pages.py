"""The page of one delivery, and the page of one ``send()``."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.http import Http404
from django.test import Client, RequestFactory, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import path, reverse
from django.utils import timezone
from pytest_django import Settings

from signals_app.console.admin import delivery_pages
from signals_app.console.admin.delivery_pages import LEAST, emission_page, objects_in
from signals_app.models import Delivery, Outcome, State
from tests.signals_app.console.admin.rows import NOON, OWNER, at, attempt, delivery, page_of, words
from tests.testapp.receivers import ten_a_minute

pytestmark = pytest.mark.django_db


def section(client: Client, row: Delivery, name: str) -> str:
    """Return the words in one part of a delivery's page."""
    page = client.get(page_of(row)).content.decode()
    html = page.partition(f'id="delivery-{name}"')[2].partition(">")[2].partition("</section>")[0]
    return words(html)


def test_the_page_tells_the_times_what_was_sent_and_who_holds_it(reader: Client) -> None:
    one = delivery(State.SUCCESSFUL, priority=7, sent_by="grace", sent_from="POST /checkout/")
    assert section(reader, one, "timing") == (
        "Timing Enqueued 2026-11-23 12:00:00 Due 2026-11-23 12:00:00 Started 2026-11-23 12:00:02 "
        "Finished 2026-11-23 12:00:05 Waited 2.00 s Ran 3.00 s Attempts 1/5"
    )
    assert section(reader, one, "origin") == (
        "What was sent Signal shop.signals.order_placed Sender shop.checkout.Checkout Sent by grace "
        "Sent from POST /checkout/ Receiver "
        f"shop.receivers.send_mail Queue sigdemo Priority 7 Emission {one.emission}"
    )
    running = delivery(State.RUNNING, token=3, lease_until=timezone.now() + timedelta(seconds=25.5))
    held = rf"Worker Held by worker-3\.example\.org, pid 4711 {re.escape(OWNER)} Token 3 Lease 2.* in 2\d\.\d\d s"
    assert re.fullmatch(held, section(reader, running, "hold"))


def test_one_that_was_merged_leads_to_the_one_that_ran_in_its_place_and_back(reader: Client) -> None:
    ran = delivery(State.SUCCESSFUL, coalesce_key="shop.Product 7", waiting_since=at(-60))
    merged = [delivery(State.MERGED, coalesce_key="shop.Product 7", merged_into=ran.pk) for _ in range(11)]
    assert section(reader, merged[0], "origin").endswith("Coalesced by shop.Product 7")
    page = reader.get(page_of(merged[0])).content.decode()
    assert f'into <a href="{page_of(ran)}">#{ran.pk}</a>, which runs in its place.' in page
    assert "Oldest merged 2026-11-23 11:59:00" in section(reader, ran, "timing")
    newest = " ".join(f"#{one.pk}" for one in merged[:0:-1])
    assert f"Merged into it 11 {newest} …" in section(reader, ran, "origin")
    assert section(reader, merged[0], "attempts") == "Attempts None yet."


def test_a_ready_one_says_how_far_it_is_how_long_until_it_is_due_and_why_it_waits(reader: Client) -> None:
    due_at = timezone.now() + timedelta(minutes=10, seconds=30)
    one = delivery(due_at=due_at, progress_done=37, progress_total=120, unroutable=True)
    assert re.search(r"Due 2\S+ \S+ in 10 min \d+ s Started \N{EN DASH} Finished", section(reader, one, "timing"))
    page = reader.get(page_of(one)).content.decode()
    assert '<progress max="120" value="37" aria-label="Progress"></progress> 37/120' in page
    assert "The last worker that claimed it did not know its receiver." in page


def test_one_that_waits_for_its_turn_says_by_which_rate(reader: Client) -> None:
    due_at = timezone.now() + timedelta(minutes=10, seconds=30)
    waits: dict[str, Any] = {"due_at": due_at, "booked": True}
    page = section(reader, delivery(receiver=ten_a_minute.key, bucket="Ada", **waits), "standing")
    assert re.search(r"waits for its turn by the rate 10/m \(Ada\), which comes in 10 min \d+ s", page)
    assert "waits for its turn by a rate, which" in section(reader, delivery(receiver="gone", **waits), "standing")


def test_one_that_waits_in_a_lane_leads_to_the_one_ahead_which_says_that_it_blocks(reader: Client) -> None:
    first = delivery(State.FAILED, lane="ada #1", blocks_lane=True, finished_at=timezone.now())
    waits = delivery(lane="ada #1", behind=True)
    page = reader.get(page_of(waits)).content.decode()
    assert f'the lane “ada #1” for <a href="{page_of(first)}">#{first.pk}</a>, which comes first' in page
    assert "It blocks its lane. It failed" in section(reader, first, "standing")


def test_the_page_tells_the_trace_and_links_it_where_the_project_says_to(reader: Client, settings: Settings) -> None:
    trace = "4b" * 16
    one = delivery(trace=f"00-{trace}-{'a' * 16}-01")
    assert section(reader, one, "origin").endswith(f"Emission {one.emission} Trace {trace}")
    settings.SIGNALS_APP = {"TRACE_URL": "https://tracing.example.org/trace/{trace_id}?tab=all&x=1"}
    page = reader.get(page_of(one)).content.decode()
    assert f'<a href="https://tracing.example.org/trace/{trace}?tab=all&amp;x=1">{trace}</a>' in page


def test_no_secret_is_shown(reader: Client) -> None:
    one = delivery(State.FAILED, payload='{"sender":null,"arguments":{"order":{"v":12},"password":"hunter2"}}')
    attempt(one, message="login(password='hunter2') failed", traceback="Error: https://ada:hunter2@example.org/")
    page = reader.get(page_of(one)).content.decode()
    assert "hunter2" not in page
    assert (
        "&quot;order&quot;: {\n      &quot;v&quot;: 12\n    },\n    &quot;password&quot;: &quot;********&quot;" in page
    )
    assert "login(password=********) failed" in page
    assert "https://ada:********@example.org/" in page


def test_every_bad_end_is_told_with_its_process_and_its_folded_traceback(reader: Client) -> None:
    one = delivery(State.FAILED, attempts=2)
    attempt(one, 1)
    attempt(one, 2, outcome=Outcome.TIMEOUT, error_class="signals_app.TimedOut", message="after 3 s", traceback="")
    assert section(reader, one, "attempts") == (
        "Attempts Attempt 1 error 2026-11-23 12:00:02 ran 3.00 s worker-3.example.org, pid 4711 builtins.ValueError "
        "the stock is negative Traceback Traceback (most recent call last): ValueError: the stock is negative "
        "Attempt 2 timeout 2026-11-23 12:00:02 ran 3.00 s worker-3.example.org, pid 4711 signals_app.TimedOut after 3 s"
    )
    page = reader.get(page_of(one)).content.decode()
    assert page.count('<details><summary>Traceback</summary><pre class="signals-text" tabindex="0">') == 1


def test_equal_ends_in_a_row_are_told_once(reader: Client) -> None:
    one = delivery(State.FAILED, attempts=5)
    for number, message in enumerate(("away", "full", "full", "full", "away"), 1):
        attempt(one, number, message=message, started_at=at(number))
    words = section(reader, one, "attempts")
    assert re.findall(r"Attempts? \d(?: to \d, alike)?", words) == ["Attempt 1", "Attempts 2 to 4, alike", "Attempt 5"]
    assert words.count("full") == 1
    each = words.partition("Each of the 3 ")[2].partition(" Attempt 5")[0]
    assert re.findall(r"(\d) 2026-11-23 12:00:0(\d) ran", each) == [("2", "2"), ("3", "3"), ("4", "4")]


def test_the_attempt_that_has_no_row_is_told_once_it_runs(reader: Client) -> None:
    for state in (State.SUCCESSFUL, State.RUNNING):
        one = delivery(state, attempts=2)
        attempt(one, 1)
        assert f"Attempt 2 {state.label} 2026-11-23 12:00:02" in section(reader, one, "attempts")
    one = delivery(State.READY, attempts=1, started_at=NOON - timedelta(seconds=9))
    attempt(one, 1)
    assert section(reader, one, "attempts").count("Attempt ") == 1
    assert section(reader, delivery(), "attempts") == "Attempts None yet."


def test_of_many_attempts_the_newest_are_shown(reader: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery_pages, "SHOWN_ATTEMPTS", 2)
    one = delivery(State.FAILED, attempts=3)
    for number in (1, 2, 3):
        attempt(one, number)
    words = section(reader, one, "attempts")
    assert "Only the newest are shown. All that failed are in the list of attempts." in words
    assert "Attempts 2 to 3, alike" in words
    link = f'href="/admin/signals_app/attempt/?q=%23{one.pk}"'
    assert link in reader.get(page_of(one)).content.decode()


def test_the_other_deliveries_of_the_emission_are_linked(reader: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    one = delivery()
    other = delivery(State.FAILED, emission=one.emission, receiver="shop.receivers.print_label")
    stranger = delivery()
    page = reader.get(page_of(one)).content.decode()
    assert f'<a href="{page_of(other)}">' in page
    assert f'<a href="{page_of(stranger)}">' not in page
    assert f"#{other.pk} print_label shop.receivers" in section(reader, one, "siblings")

    monkeypatch.setattr(delivery_pages, "SHOWN_SIBLINGS", 1)
    delivery(emission=one.emission)
    assert f'href="/admin/signals_app/delivery/?q={one.emission}"' in reader.get(page_of(one)).content.decode()


@pytest.mark.parametrize("state", State)
def test_the_page_of_what_is_not_over_refreshes_itself(reader: Client, state: State) -> None:
    page = reader.get(page_of(delivery(state))).content.decode()
    assert ("data-live-bar" in page) == (state in (State.READY, State.RUNNING))
    assert 'id="delivery-page" data-live' in page
    assert re.search(r'<script src="[^"]*signals_app/live[^"]*\.js"[^>]* defer', page)


def test_a_delivery_that_does_not_exist_leads_back_with_a_word(reader: Client) -> None:
    delivery(pk=12)
    response = reader.get("/admin/signals_app/delivery/13/change/", follow=True)
    assert "exist. Perhaps it was deleted?" in response.content.decode()


OBJECTS = {
    "by": {"$instance": ["auth.User", 7, "default"]},
    "all": [{"$instance": ["auth.User", 7, "default"]}, {"deep": {"$instance": ["auth.User", 8, "default"]}}],
    "copy": {"$snapshot": {"model": "auth.Group", "fields": {"id": 3, "name": "staff"}}},
    "secret": {"$instance": ["auth.User", "********", "default"]},
    "by_id": {"$instance": ["sessions.Session", {"$uuid": "a/b"}, "default"]},
}


def test_objects_in_the_payload_link_to_their_pages_of_the_same_site_where_the_viewer_may_view_them() -> None:
    site = admin.AdminSite("other")
    for model in (User, Group):
        site.register(model)
    request = RequestFactory().get("/")
    request.user = User.objects.create_user("ada", is_staff=True)
    request.user.user_permissions.add(Permission.objects.get(codename="view_user"))
    urls = type("Urls", (), {"urlpatterns": [path("one/", admin.site.urls), path("two/", site.urls)]})
    payload = json.dumps({"sender": None, "arguments": OBJECTS})
    seven = "/two/auth/user/7/change/"
    with override_settings(ROOT_URLCONF=urls), CaptureQueriesContext(connection) as captured:
        found = objects_in(payload, request, site)
    assert found == [
        ("by", "auth.User 7", seven),
        ("all", "auth.User 7", seven),
        ("all", "auth.User 8", "/two/auth/user/8/change/"),
    ]
    assert not [one["sql"] for one in captured if "FROM" in one["sql"] and "permission" not in one["sql"]]


def test_an_object_is_linked_by_the_key_of_its_kind(boss: Client) -> None:
    one = delivery(payload=json.dumps({"arguments": OBJECTS}))
    assert (
        '<li>copy: <a href="/admin/auth/group/3/change/">auth.Group 3</a></li>'
        in boss.get(page_of(one)).content.decode()
    )


@pytest.mark.parametrize(
    "value",
    [
        *(["auth.User", None, ""], ["auth.User", True, ""], ["auth.User", [1], ""], ["auth.User", {"$tuple": [1]}, ""]),
        *(["auth.User", "", ""], ["auth.User", "\ud800", ""], ["auth", 1, ""], ["no.Such", 1, ""], [7, 1, ""], [], 5),
        *(["a.b.c", 1, ""], ["auth.User", 10**400, "", ""], ["auth.User", {}, ""], ["\0.User", 1, ""]),
    ],
    ids=repr,
)
def test_a_forged_object_is_no_link_and_no_error(boss: Client, value: Any) -> None:
    for payload in ({"arguments": {"a": {"$instance": value}}}, {"arguments": [value]}, {"arguments": value}, value):
        answer = boss.get(page_of(delivery(payload=json.dumps(payload))))
        assert answer.status_code == 200
        assert answer.context["objects"] == []
    snapshot = {"$snapshot": {"model": "auth.User", "fields": value}}
    assert boss.get(page_of(delivery(payload=json.dumps({"arguments": {"a": snapshot}})))).status_code == 200


EMISSION = uuid4()


def emission_url() -> str:
    return reverse("admin:signals_app_emission", args=[EMISSION])


def test_a_lane_is_waits_and_attempts_in_their_order_on_one_axis() -> None:
    retried = delivery(State.SUCCESSFUL, emission=EMISSION, attempts=2, started_at=at(60), finished_at=at(100))
    attempt(retried, started_at=at(10), finished_at=at(20))
    delivery(emission=EMISSION)
    delivery()
    page = emission_page(EMISSION, Delivery.objects.all(), site="admin", now=at(200))
    lane, waiting = page["lanes"]
    assert [(step["kind"], step.get("number"), step["took"], step["x"], step["width"]) for step in lane["steps"]] == [
        ("wait", None, "10.00\N{NO-BREAK SPACE}s", 0, 75.46),
        ("error", 1, "10.00\N{NO-BREAK SPACE}s", 75.46, 5.68),
        ("wait", None, "40.00\N{NO-BREAK SPACE}s", 81.14, 9.0),
        ("successful", 2, "40.00\N{NO-BREAK SPACE}s", 90.14, 4.18),
    ]
    assert [(step["kind"], step["x"], step["width"]) for step in waiting["steps"]] == [("wait", 0, 100)]
    assert not page["is_final"]


def test_ten_milliseconds_can_be_read_beside_two_minutes() -> None:
    delivery(State.SUCCESSFUL, emission=EMISSION, started_at=at(0.001), finished_at=at(0.011))
    delivery(emission=EMISSION)
    page = emission_page(EMISSION, Delivery.objects.all(), site="admin", now=at(120))
    assert [step["width"] for step in page["lanes"][0]["steps"]] == [5.93, 15.32]
    assert page["ticks"] == [("1 ms", 5.93), ("10 ms", 20.5), ("100 ms", 39.46), ("1 s", 59.07), ("10 s", 78.75)]


def test_what_is_final_does_not_grow() -> None:
    one = delivery(State.FAILED, emission=EMISSION)
    attempt(one, outcome=Outcome.TIMEOUT, started_at=at(9), finished_at=at(4))  # by clocks that disagree
    delivery(State.CANCELLED, emission=EMISSION)
    page = emission_page(EMISSION, Delivery.objects.all(), site="admin", now=at(9_999))
    assert page["is_final"]
    assert page["took"] == "5.00\N{NO-BREAK SPACE}s"
    failed, cancelled = ([(step["kind"], step["width"]) for step in lane["steps"]] for lane in page["lanes"])
    assert (failed, cancelled) == ([("wait", 100), ("timeout", LEAST)], [("wait", 100)])


def test_it_shows_what_was_sent_with_secrets_masked_and_what_operators_did(boss: Client) -> None:
    sending = delivery()
    one = delivery(State.FAILED, emission=EMISSION, payload='{"arguments":{"password":"hunter2","order":7}}')
    Delivery.objects.filter(pk=one.pk).update(sent_by="ada", sent_from=f"delivery #{sending.pk}")
    delivery(emission=EMISSION, payload='{"arguments":{"order":7}}', receiver="shop.receivers.other")
    attempt(one, message="token=abcdef", error_class="shop.Trouble")
    boss.post(reverse("admin:signals_app_delivery_operate", args=[one.pk, "retry"]), {"confirmed": "yes"})
    page = boss.get(emission_url()).content.decode()
    assert "hunter2" not in page
    assert "abcdef" not in page
    assert "To shop.receivers.other" in page
    assert "Retried, with up to" in page
    assert page_of(one) in page
    assert "<dt>Sent by</dt><dd>ada</dd>" in page
    of_one = boss.get(page_of(one)).content.decode()
    assert emission_url() in of_one
    link = f'<a href="{page_of(sending)}">delivery #{sending.pk}</a>'
    assert link in page
    assert link in of_one
    Delivery.objects.filter(pk=one.pk).update(sent_from="POST /reset/token=abc123def/")
    assert "<dd>POST /reset/token=********" in boss.get(emission_url()).content.decode()


def test_an_emission_that_does_not_exist_is_not_found(reader: Client) -> None:
    assert reader.get(emission_url()).status_code == 404
    with pytest.raises(Http404):
        emission_page(EMISSION, Delivery.objects.all(), site="admin", now=at(0))
