"""The list of deliveries."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.admin.utils import quote
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from signals_app.models import Delivery, State
from tests.signals_app.console.admin.rows import ATTEMPTS, DELIVERIES, attempt, copies, delivery, page_of

pytestmark = pytest.mark.django_db


def row_of(client: Client) -> dict[str, str]:
    """Return the only row of the list: the words of each column."""
    page = client.get(reverse(DELIVERIES)).content.decode()
    body = page.partition("<tbody>")[2].partition("</tbody>")[0]
    cells = re.findall(r'<t[dh] class="field-(\w+)[^>]*>(.*?)</t[dh]>', body, re.DOTALL)
    texts = {name: re.sub(r"<[^>]+>", " ", html) for name, html in cells}
    return {name: " ".join(text.split()) for name, text in texts.items()}


def test_a_row_says_everything_about_a_delivery(reader: Client) -> None:
    one = delivery(State.SUCCESSFUL)
    assert row_of(reader) == {
        "number": f"#{one.pk}",
        "standing": "successful",
        "by_receiver": "send_mail shop.receivers",
        "by_signal": "order_placed shop.signals",
        "by_queue": "Queue sigdemo",
        "tries": "Attempts 1/5",
        "waited": "Waited 2.00 s",
        "ran": "Ran 3.00 s",
        "finished": "Finished 2026-11-23 12:00:05",
    }


def test_a_state_is_a_word_and_an_icon(reader: Client) -> None:
    for state in State:
        delivery(state)
    page = reader.get(reverse(DELIVERIES)).content.decode()
    for state in State:
        icon = f'<use href="/static/signals_app/icons.svg#{state.value.lower()}"></use></svg>{state.label}</span>'
        assert icon in page


def test_a_running_one_shows_its_progress(reader: Client) -> None:
    delivery(State.RUNNING, progress_done=3, progress_total=8)
    page = reader.get(reverse(DELIVERIES)).content.decode()
    assert '<progress max="8" value="3" aria-label="Progress"></progress> 3/8' in page
    delivery(State.SUCCESSFUL, progress_done=8, progress_total=8)
    assert reader.get(reverse(DELIVERIES)).content.decode().count("<progress") == 1


def test_one_that_waits_says_when_it_is_due_and_that_no_worker_knows_its_receiver(reader: Client) -> None:
    delivery(due_at=timezone.now() + timedelta(hours=3, seconds=30), unroutable=True)
    row = row_of(reader)
    assert (row["standing"], row["waited"]) == ("ready unroutable", "Due in 3 h 0 min")


def test_the_newest_come_first(boss: Client) -> None:
    rows = [delivery() for _ in range(3)]
    assert list(boss.get(reverse(DELIVERIES)).context["cl"].result_list) == rows[::-1]
    assert list(boss.get(reverse(DELIVERIES), {"o": "1"}).context["cl"].result_list) == rows


@pytest.mark.parametrize("address", [DELIVERIES, ATTEMPTS])
def test_no_column_sorts_the_whole_table_or_by_what_is_masked(boss: Client, address: str) -> None:
    attempt(delivery())
    assert boss.get(reverse(address)).content.decode().count('class="sortable') == 1
    for column in range(-12, 12):
        orders = boss.get(reverse(address), {"o": column}).context["cl"].queryset.query.order_by
        assert {str(one).lstrip("-") for one in orders} <= {"pk"}


@pytest.mark.parametrize("address", [DELIVERIES, ATTEMPTS])
def test_the_number_of_queries_does_not_grow_with_the_page(reader: Client, address: str) -> None:
    def fill(count: int) -> None:
        for number in range(count):
            attempt(delivery(State.FAILED, receiver=f"shop.receivers.number_{number}"))

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            response = reader.get(reverse(address))
        assert len(response.context["cl"].result_list) == min(100, Delivery.objects.count())
        return len(captured)

    fill(10)
    reader.get(reverse(address))
    few = queries()
    fill(90)
    copies(last := Delivery.objects.latest("pk"), 10_000)
    copies(last.failed_attempts.get(), 10_000)
    assert queries() == few < 20


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


@pytest.mark.parametrize("address", [DELIVERIES, ATTEMPTS])
def test_who_may_not_look_sees_nothing(outsider: Client, address: str) -> None:
    assert outsider.get(reverse(address)).status_code == 403
    assert outsider.get(page_of(delivery())).status_code == 403


def test_names_are_escaped(reader: Client) -> None:
    evil = "<script>alert(1)</script>"
    delivery(receiver=f"shop.{evil}", signal=f"{evil}.x", queue=evil)
    page = reader.get(reverse(DELIVERIES)).content.decode()
    assert evil not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 5
