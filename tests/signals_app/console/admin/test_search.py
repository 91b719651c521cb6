"""The search of the lists."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client, modify_settings
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from signals_app import ledger
from signals_app.models import PauseKind, State
from tests.signals_app.console.admin.rows import ATTEMPTS, DELIVERIES, attempt, delivery, page_of
from tests.signals_app.console.admin.staff import client_of

pytestmark = pytest.mark.django_db


def test_the_lists_search(boss: Client) -> None:
    one, _other = delivery(receiver="needle"), delivery()
    ended = attempt(one)
    page = boss.get(reverse(DELIVERIES), {"q": "needle"})
    assert list(page.context["cl"].result_list) == [one]
    assert "an object (shop.Order 62), an argument (name=value)." in page.content.decode()
    assert list(boss.get(reverse(ATTEMPTS), {"q": "needle"}).context["cl"].result_list) == [ended]
    assert list(boss.get(reverse(ATTEMPTS), {"q": "haystack"}).context["cl"].result_list) == []


@modify_settings(MIDDLEWARE={"remove": ["sigdemo.middleware.Refusals"]})  # which another project does not have
@pytest.mark.parametrize("address", [DELIVERIES, ATTEMPTS])
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a\0b", "Null characters are not allowed."),
        ("a " * 9, "A search takes up to 8 words of up to 255 characters. Look for less."),
        ("x" * 256, "A search takes up to 8 words of up to 255 characters. Look for less."),
    ],
)
def test_a_search_that_is_refused_lists_nothing_and_says_why(boss: Client, address: str, text: str, said: str) -> None:
    attempt(delivery())
    answer = boss.get(reverse(address), {"q": text})
    assert list(answer.context["cl"].result_list) == []
    assert said in answer.content.decode()
    assert len(boss.get(reverse(address), {"q": " "}).context["cl"].result_list) == 1


def test_an_action_on_all_that_a_refused_search_matches_changes_nothing(boss: Client) -> None:
    row = delivery()
    for text in ("a " * 9, "a\0b"):
        with modify_settings(MIDDLEWARE={"remove": ["sigdemo.middleware.Refusals"]}):
            boss.post(
                reverse(DELIVERIES, query={"q": text}),
                {"action": "cancel", "matching": "on", "confirmed": "1", "_selected_action": "0"},
            )
        row.refresh_from_db()
        assert row.state == "READY"


def test_a_search_for_what_was_sent_reads_payloads_once_whatever_the_page(boss: Client) -> None:
    mail = delivery(pk=4_200_000_000, payload='{"sender":null,"arguments":{"to":"Jürgen","count":1}}')
    with CaptureQueriesContext(connection) as queries:
        boss.get(reverse(DELIVERIES), {"q": "to=Jürgen count=1 send_mail"})
    held, *others = [one["sql"] for one in queries if "signals_app_delivery" in one["sql"] and "rgen" in one["sql"]]
    assert others == []
    assert "LIMIT 200" in held
    assert [sql for one in queries if "LIMIT 5001" in (sql := one["sql"]) and str(mail.pk) in sql]  # of the ids found


def test_whoever_may_not_see_deliveries_cannot_ask_what_was_sent() -> None:
    attempt(delivery(payload='{"sender":null,"arguments":{"to":"ada"}}'))
    page = client_of("auditor", "view_attempt").get(reverse(ATTEMPTS), {"q": "to=ada"})
    assert list(page.context["cl"].result_list) == []
    assert "Looking for what was sent takes the permission to view deliveries." in page.content.decode()


def test_what_is_chosen_from_while_typing_is_searched_the_same_way(boss: Client) -> None:
    delivery(receiver="needle", payload='{"sender":null,"arguments":{"p_i_n":4711}}')
    asked = {"app_label": "signals_app", "model_name": "attempt", "field_name": "delivery"}
    found = {
        term: len(boss.get(reverse("admin:autocomplete"), {**asked, "term": term}).json()["results"])
        for term in ("needle", "4711", "p_i_n=4711", "a " * 9)
    }
    assert found == {"needle": 1, "4711": 0, "p_i_n=4711": 0, "a " * 9: 0}


def test_names_of_several_lines_are_one_in_lists_and_pages(boss: Client) -> None:
    names = {"receiver": "shop.a\nb", "signal": "shop.c\u202ed", "queue": "e\x1bf", "sender": "ada\npassword=hunter2"}
    row = delivery(State.FAILED, sent_by="g\nh", sent_from="i\rj", owner="k\nl", **names)
    attempt(row, owner="k\nl", error_class="m\nn")
    ledger.pause(PauseKind.QUEUE, row.queue, by="o\np")
    lists = (DELIVERIES, ATTEMPTS, "admin:signals_app_overview_changelist")
    addresses = [*map(reverse, lists), page_of(row), reverse("admin:signals_app_emission", args=[row.emission])]
    pages = "".join(boss.get(address).content.decode() for address in addresses)
    shown = ("a\\nb", "c\\u202ed", "e\\x1bf", "ada\\npassword=********", "g\\nh", "i\\rj", "k\\nl", "m\\nn", "o\\np")
    assert [name for name in shown if name not in pages] == []
    assert "hunter2" not in pages
