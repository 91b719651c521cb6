"""The lists of deliveries and of attempts: what a row says, their order, their pages and their search."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.core.paginator import EmptyPage
from django.db import connection
from django.test import Client, modify_settings
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from signals_app import ledger
from signals_app.console.admin import lists
from signals_app.console.admin.lists import BoundedPaginator
from signals_app.models import Delivery, Outcome, PauseKind, State
from tests.signals_app.console.admin.rows import ATTEMPTS, DELIVERIES, attempt, client_of, delivery, page_of, words

pytestmark = pytest.mark.django_db


def row_of(client: Client) -> dict[str, str]:
    """Return the only row of the list: the words of each column."""
    page = client.get(reverse(DELIVERIES)).content.decode()
    body = page.partition("<tbody>")[2].partition("</tbody>")[0]
    cells = re.findall(r'<t[dh] class="field-(\w+)[^>]*>(.*?)</t[dh]>', body, re.DOTALL)
    return {name: words(html) for name, html in cells}


def test_a_row_says_everything_about_a_delivery(reader: Client) -> None:
    one = delivery(State.SUCCESSFUL)
    assert row_of(reader) == {
        "number": f"#{one.pk}",
        "standing": "successful",
        "by_receiver": "send_mail shop.receivers",
        "by_signal": "order_placed shop.signals",
        "by_queue": "Queue sigdemo",
        "tries": "Attempts 1/5",
        "last_error": "Error \N{EN DASH}",
        "took": "Waited 2.00 s Ran 3.00 s",
        "finished": "Finished 2026-11-23 12:00:05",
    }


@pytest.mark.parametrize(("address", "words"), [(DELIVERIES, State), (ATTEMPTS, Outcome)])
def test_a_state_and_an_outcome_are_a_word_and_an_icon(reader: Client, address: str, words: Any) -> None:
    for word in words:
        attempt(delivery(word if words is State else State.FAILED), outcome=word if words is Outcome else Outcome.ERROR)
    page = reader.get(reverse(address)).content.decode()
    for word in words:
        icon = word.value.lower().replace("_", "-")
        assert f'<use href="/static/signals_app/icons.svg#{icon}"></use></svg>{word.label}</span>' in page


def test_a_running_one_shows_its_progress(reader: Client) -> None:
    delivery(State.RUNNING, progress_done=3, progress_total=8)
    page = reader.get(reverse(DELIVERIES)).content.decode()
    assert '<progress max="8" value="3" aria-label="Progress"></progress> 3/8' in page
    delivery(State.SUCCESSFUL, progress_done=8, progress_total=8)
    assert reader.get(reverse(DELIVERIES)).content.decode().count("<progress") == 1


def test_one_that_waits_says_why(reader: Client) -> None:
    delivery(due_at=timezone.now() + timedelta(hours=3, seconds=30))
    row = row_of(reader)
    assert (row["standing"], row["took"]) == ("scheduled in 3 h", "Waited \N{EN DASH}")
    ledger.pause(PauseKind.QUEUE, "sigdemo", by="ada")
    assert row_of(reader)["standing"] == "paused by ada"


@pytest.mark.parametrize("address", [DELIVERIES, ATTEMPTS])
def test_a_list_takes_as_many_queries_for_many_rows_as_for_one(boss: Client, address: str) -> None:
    ledger.pause(PauseKind.QUEUE, "sigdemo", by="ada")
    counts = []
    for number in (1, 9):
        for _ in range(number):
            attempt(delivery())
            attempt(delivery(State.FAILED))
        with CaptureQueriesContext(connection) as captured:
            boss.get(reverse(address))
        counts.append(len(captured))
    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"state": State.FAILED, "attempts": 2}, "OSError builtins"),
        ({"attempts": 2}, "OSError builtins"),
        ({"state": State.RUNNING, "attempts": 3}, "OSError builtins"),
        ({"state": State.SUCCESSFUL, "attempts": 3}, "\N{EN DASH}"),
    ],
)
def test_a_row_names_the_error_of_the_last_attempt_that_has_ended(
    reader: Client, fields: dict[str, Any], error: str
) -> None:
    one = delivery(**fields)
    attempt(one, 1)
    attempt(one, 2, error_class="builtins.OSError")
    attempt(one, 2, outcome=Outcome.STALE, error_class="builtins.KeyError")
    assert row_of(reader)["last_error"] == f"Error {error}"


@pytest.mark.parametrize("address", [DELIVERIES, ATTEMPTS])
def test_no_column_sorts_the_whole_table_or_by_what_is_masked(boss: Client, address: str) -> None:
    attempt(delivery())
    assert boss.get(reverse(address)).content.decode().count('class="sortable') == 1
    for column in range(-12, 12):
        orders = boss.get(reverse(address), {"o": column}).context["cl"].queryset.query.order_by
        assert {str(one).lstrip("-") for one in orders} <= {"pk"}


def test_no_query_of_the_list_reads_payloads_or_counts_the_table(boss: Client) -> None:
    attempt(delivery(State.FAILED))
    for address in (DELIVERIES, ATTEMPTS):
        with CaptureQueriesContext(connection) as captured:
            boss.get(reverse(address))
        statements = [one["sql"] for one in captured if "signals_app" in one["sql"]]
        assert statements
        assert not [sql for sql in statements if "payload" in sql or "traceback" in sql or "COUNT(" in sql]


def test_nothing_can_be_added_changed_or_deleted(boss: Client) -> None:
    for row in (one := delivery(State.RUNNING), attempt(one)):
        model = row._meta.model_name
        page = boss.get(reverse(f"admin:signals_app_{model}_changelist")).content.decode()
        assert "delete_selected" not in page
        assert "addlink" not in page.partition("<main")[2]
        for address in ("add", "delete", "change"):
            args = [] if address == "add" else [quote(row.pk)]
            response = boss.post(reverse(f"admin:signals_app_{model}_{address}", args=args), {"state": "READY"})
            assert response.status_code == 403
    one.refresh_from_db()
    assert one.state == State.RUNNING


def test_an_attempts_row_and_page_say_what_went_wrong_in_which_delivery(reader: Client) -> None:
    one = delivery(State.FAILED)
    ended = attempt(one, 3, message="m" * 500)
    page = reader.get(reverse(ATTEMPTS)).content.decode()
    assert f'<a href="{page_of(ended)}">#{one.pk} · 3</a>' in page
    assert f'<a href="{page_of(one)}">' in page
    assert f"<b>Value<wbr>Error</b> {'m' * 159}…</span>" in page
    assert "worker-3.example.org, pid 4711" in page
    assert "3.00\N{NO-BREAK SPACE}s" in page
    page = reader.get(page_of(ended)).content.decode()
    assert "m" * 500 in page
    assert "ValueError: the stock is negative</pre>" in page
    assert "<textarea" not in page
    unknown = attempt(one, 4, started_at=None, message="", traceback="")
    assert reader.get(page_of(unknown)).content.decode().count("\N{EN DASH}") >= 4


def test_no_secret_is_shown(reader: Client) -> None:
    ended = attempt(delivery(State.FAILED), message="password=hunter2", traceback="Error: token: 'hunter2'")
    for address in (page_of(ended), reverse(ATTEMPTS)):
        page = reader.get(address).content.decode()
        assert "hunter2" not in page
        assert "password=********" in page


@pytest.fixture
def seven(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Seven deliveries, the newest first, of which a list shows five."""
    monkeypatch.setattr(lists, "LISTED", 5)
    return sorted((delivery().pk for _ in range(7)), reverse=True)


def test_no_more_than_the_newest_rows_are_listed(seven: list[int]) -> None:
    rows = Delivery.objects.order_by("-pk")
    pages = BoundedPaginator(rows, 2)
    shown = [[row.pk for row in page.object_list] for page in pages]
    assert shown == [seven[0:2], seven[2:4], seven[4:5]]
    assert (pages.count, pages.is_cut) == (5, True)
    with pytest.raises(EmptyPage):
        pages.page(4)
    whole = BoundedPaginator(rows.filter(pk__in=seven[:5]), 2)
    assert (whole.count, whole.is_cut) == (5, False)


def test_the_rows_that_match_are_looked_for_once(seven: list[int]) -> None:
    with CaptureQueriesContext(connection) as queries:
        pages = BoundedPaginator(Delivery.objects.order_by("-pk"), 2)
        assert pages.count == 5
        assert len(pages.page(1).object_list) == 2
    assert len(queries) == 2


def test_the_page_says_that_there_are_older_ones(seven: list[int], boss: Client) -> None:
    page = boss.get(reverse(DELIVERIES)).content.decode()
    assert "These are the newest deliveries. Choose a date, a filter or a search to reach older ones." in page
    assert "5 deliveries" in page
    assert "reach older ones" not in boss.get(reverse(DELIVERIES), {"q": f"#{seven[0]}"}).content.decode()


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
    assert "Searching what was sent takes the permission to view deliveries." in page.content.decode()


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
