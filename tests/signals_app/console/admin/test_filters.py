"""The filters of the lists."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client, modify_settings
from django.urls import reverse
from django.utils import timezone

from signals_app.console.admin import filters
from signals_app.models import Outcome, State
from tests.signals_app.console.admin.rows import ATTEMPTS, DELIVERIES, at, attempt, copies, delivery, plan_of

pytestmark = pytest.mark.django_db


def listed(client: Client, address: str = DELIVERIES, **query: str) -> list[Any]:
    return list(client.get(reverse(address), query).context["cl"].result_list)


def offered(client: Client, title: str, *, address: str = DELIVERIES, **query: str) -> list[str]:
    specs = client.get(reverse(address), query).context["cl"].filter_specs
    (spec,) = [one for one in specs if str(one.title) == title]
    return [value for value, _name in spec.lookup_choices]


@pytest.mark.parametrize(
    ("parameter", "value", "fields"),
    [
        *(("state", state.value, {"state": state}) for state in State if state != State.READY),
        ("receiver", "shop.receivers.rare", {"receiver": "shop.receivers.rare"}),
        ("signal", "django.db.models.signals.post_save", {"signal": "django.db.models.signals.post_save"}),
        ("queue", "slow", {"queue": "slow"}),
        ("error class", "builtins.ValueError", {"attempts": 1}),
        ("attempts", "2", {"attempts": 2}),
        ("attempts", "5", {"attempts": 12}),
        ("unroutable", "1", {"unroutable": True}),
        ("long", "1", {"state": State.RUNNING, "started_at": at(-9_000_000)}),
        ("ended", "day", {"state": State.FAILED, "finished_at": timezone.now() - timedelta(hours=2)}),
    ],
)
def test_a_filter_offers_a_choice_and_shows_what_fits(
    boss: Client, parameter: str, value: str, fields: dict[str, Any]
) -> None:
    other, one = delivery(), delivery(**fields)
    attempt(one)
    titles = {"unroutable": "routing", "long": "running"}
    assert value in offered(boss, titles.get(parameter, parameter))
    assert listed(boss, **{parameter.replace(" ", "_"): value}) == [one]
    assert set(listed(boss)) == {one, other}


@pytest.mark.parametrize(
    ("address", "query"),
    [
        (DELIVERIES, {"state": "LIMBO'--"}),
        (DELIVERIES, {"state": ""}),
        (DELIVERIES, {"attempts": "-1"}),
        (DELIVERIES, {"attempts": "many"}),
        (DELIVERIES, {"long": "7"}),
        (DELIVERIES, {"waiting": "bored"}),
        (DELIVERIES, {"unroutable": "yes"}),
        (DELIVERIES, {"p": "2"}),
        (DELIVERIES, {"enqueued_at__lt": "then"}),
        (DELIVERIES, {"enqueued_at__gte": "2026-02-31T12:00"}),
        (DELIVERIES, {"finished_at__gte": "0001-01-01T00:00+14:00"}),
        (ATTEMPTS, {"outcome": "LIMBO"}),
        (ATTEMPTS, {"p": "0"}),
    ],
)
def test_a_choice_or_a_page_that_does_not_exist_is_not_found(boss: Client, address: str, query: dict[str, str]) -> None:
    attempt(delivery())
    assert boss.get(reverse(address), query).status_code == 404


@modify_settings(MIDDLEWARE={"remove": ["sigdemo.middleware.Refusals"]})  # which another project does not have
@pytest.mark.parametrize("parameter", ["receiver", "error_class"])
def test_a_name_that_postgresql_cannot_look_for_is_not_found(boss: Client, parameter: str) -> None:
    assert boss.get(reverse(DELIVERIES), {parameter: "\0"}).status_code == 404


@pytest.mark.database
@pytest.mark.parametrize(
    ("address", "query", "index"),
    [
        (DELIVERIES, {"state": "RUNNING"}, "signals_app_running"),
        (DELIVERIES, {"state": "READY"}, "signals_app_claim"),
        (DELIVERIES, {"unroutable": "1"}, "signals_app_unroutable"),
        (DELIVERIES, {"waiting": "unroutable"}, "signals_app_unroutable"),
        (DELIVERIES, {"waiting": "retrying"}, "signals_app_retrying"),
        (DELIVERIES, {"waiting": "paused"}, "signals_app_claim"),
        (DELIVERIES, {"waiting": "behind"}, "signals_app_behind"),
        (DELIVERIES, {"blocking": "1"}, "signals_app_blocking"),
        (DELIVERIES, {"waiting": "scheduled"}, "signals_app_claim"),
        (DELIVERIES, {"waiting": "due"}, "signals_app_claim"),
        (DELIVERIES, {"state": "SUCCESSFUL"}, "signals_app_finished"),
        (DELIVERIES, {"state": "FAILED"}, "signals_app_finished"),
        (DELIVERIES, {"state": "FAILED", "ended": "hour"}, "signals_app_finished"),
        (DELIVERIES, {"state": "FAILED", "finished_at__gte": "2026-11-23T12:00"}, "signals_app_finished"),
        (DELIVERIES, {"error_class": "shop.PaperJam"}, "signals_app_error_class"),
        (ATTEMPTS, {"error_class": "shop.PaperJam"}, "signals_app_error_class"),
        (ATTEMPTS, {"outcome": "STALE"}, "signals_app_outcome"),
        (
            ATTEMPTS,
            {"finished_at__gte": "2026-11-23T00:00", "finished_at__lt": "2026-11-24T00:00"},
            "signals_app_ended_badly",
        ),
    ],
)
def test_what_runs_waits_or_ended_with_an_error_is_found_by_its_index(
    boss: Client, address: str, query: dict[str, str], index: str
) -> None:
    for _ in range(20):
        attempt(delivery())
    copies(attempt(delivery(), finished_at=at(-9_000_000)), 500, number="i + 1")  # what a range of time leaves out
    assert index in plan_of(boss.get(reverse(address), query).context["cl"].queryset.values_list("pk"))


@pytest.mark.database
def test_what_runs_or_waits_comes_newest_first_and_what_ended_last_first(boss: Client) -> None:
    waiting = [delivery(unroutable=True) for _ in range(3)]
    ended = [delivery(State.FAILED, finished_at=timezone.now() - timedelta(minutes=minutes)) for minutes in (1, 0, 2)]
    assert listed(boss, state="READY") == listed(boss, unroutable="1") == waiting[::-1]
    assert listed(boss, state="READY", o="1") == waiting
    for query in ({"state": "FAILED"}, {"ended": "hour"}, {"finished_at__gte": at(30).isoformat()}):
        assert listed(boss, **query) == [ended[1], ended[0], ended[2]]


def test_a_name_is_offered_that_this_process_knows_or_that_is_chosen(boss: Client) -> None:
    assert {"tests.testapp.receivers.gives_up", "long.gone"} <= set(offered(boss, "receiver", receiver="long.gone"))
    assert {"sigdemo", "elsewhere"} <= set(offered(boss, "queue"))


def test_names_of_old_rows_alone_are_not_looked_for(boss: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filters, "RECENT", 2)
    for receiver in ("old", "new", "newest"):
        delivery(receiver=receiver)
    assert {"old", "new", "newest"} & set(offered(boss, "receiver")) == {"new", "newest"}


def test_attempts_are_filtered(boss: Client) -> None:
    old = attempt(delivery(), finished_at=at(0))
    rare: dict[str, Any] = {"outcome": Outcome.TIMEOUT, "error_class": "shop.PaperJam", "finished_at": at(60)}
    one = attempt(delivery(receiver="shop.receivers.rare"), **rare)
    offers = {"outcome": "TIMEOUT", "error_class": "shop.PaperJam", "receiver": "shop.receivers.rare"}
    for parameter, value in offers.items():
        assert listed(boss, ATTEMPTS, **{parameter: value}) == [one]
        assert value in offered(boss, parameter.replace("_", " "), address=ATTEMPTS)
    assert listed(boss, ATTEMPTS, finished_at__gte=at(30).isoformat()) == [one]
    assert listed(boss, ATTEMPTS, finished_at__lt=at(30).isoformat()) == [old]


@pytest.mark.parametrize(
    ("address", "lookup"),
    [
        (DELIVERIES, "payload__regex"),
        (DELIVERIES, "sender__startswith"),
        (DELIVERIES, "enqueued_at__year"),
        (DELIVERIES, "failed_attempts__message__startswith"),
        (DELIVERIES, "password"),
        (DELIVERIES, "id__foo__bar"),
        (ATTEMPTS, "message__contains"),
        (ATTEMPTS, "traceback__contains"),
        (ATTEMPTS, "delivery__payload__contains"),
    ],
)
def test_any_other_lookup_is_refused(boss: Client, address: str, lookup: str) -> None:
    """Who could look for a part of a payload or an error could ask for its masked secrets letter by letter."""
    attempt(delivery())
    assert boss.get(reverse(address), {lookup: "a"}).status_code == 400


def test_a_span_of_time_is_shown_and_stays_in_its_form_beside_other_filters(boss: Client) -> None:
    rows = [delivery(State.FAILED, enqueued_at=at(minutes * 60)) for minutes in range(4)]
    delivery(enqueued_at=at(60))
    with timezone.override("Asia/Tokyo"):
        span = {"enqueued_at__gte": "2026-11-23T21:01", "enqueued_at__lt": "2026-11-23T21:03", "state": "FAILED"}
        assert listed(boss, **span) == rows[2:0:-1]
        page = boss.get(reverse(DELIVERIES), span).content.decode()
    assert 'name="enqueued_at__gte" value="2026-11-23T21:01"' in page.partition("By enqueued at")[2]
    form = page.partition('id="signals-spans"')[2].partition("</form>")[0]
    assert 'type="hidden" name="state" value="FAILED"' in form
    assert listed(boss, enqueued_at__gte="", enqueued_at__lt=at(60).isoformat()) == rows[:1]
