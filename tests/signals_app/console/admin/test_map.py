"""The signals map in the admin: its table and its pictures."""

from __future__ import annotations

import gc
import re
from datetime import timedelta
from html import unescape

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from signals_app import ledger
from signals_app.console.admin.map_page import SHOWN
from signals_app.console.signals_map import graph
from signals_app.dispatcher import schedule
from signals_app.models import PauseKind, State
from tests.signals_app.console.admin.rows import attempt, delivery, words
from tests.signals_app.console.signals_map import listeners
from tests.signals_app.console.signals_map.listeners import FILE, UNHEARD, Counter, by_queue, line_of
from tests.testapp.signals import unheard

pytestmark = pytest.mark.django_db

MAP = "admin:signals_app_map_changelist"


def page_of(client: Client, query: str = "") -> str:
    answer = client.get(reverse(MAP) + query)
    assert answer.status_code == 200
    return answer.content.decode()


def rows_of(page: str, anchor: str) -> list[str]:
    """Return the words of a group's rows, its heading first."""
    body = page.partition(f'<tbody id="{anchor}">')[2].partition("</tbody>")[0]
    return [words(row) for row in body.split("</tr>") if row.strip()]


def ended(state: State, number: int = 1, **fields: str) -> None:
    for _ in range(number):
        delivery(state, finished_at=timezone.now(), **{"signal": UNHEARD, "receiver": by_queue.key} | fields)


def test_a_row_says_everything_about_a_receiver(reader: Client) -> None:
    unheard.connect(listeners.plain, sender=Counter)
    unheard.connect(listeners.asynchronous, weak=False, dispatch_uid="once")
    unheard.connect(by_queue)
    delivery(State.READY, signal=UNHEARD, receiver=by_queue.key)
    ended(State.SUCCESSFUL, 2)
    ended(State.FAILED)
    page = page_of(reader)
    heading, plain, asynchronous, queued = rows_of(page, f"signal-{UNHEARD}")
    here = listeners.HERE
    assert heading == "unheard tests.testapp.signals tests/testapp/signals.py:6"
    assert plain == (
        f"plain {here} {FILE}:{line_of('def plain')} Kind plain Connected sender {here}.Counter weak "
        "Counts leaves no record"
    )
    assert asynchronous.endswith("Kind async Connected dispatch_uid once strong Counts leaves no record")
    assert queued.startswith(f"by_queue {here} {FILE}:{line_of('@queued')} failures Kind queued Connected weak")
    assert "Options priority=3 delay=1.5 drop=request 18 defaults" in queued
    assert queued.endswith("Now 1 waiting Ended 1 failed 2 successful 3 attempts")
    assert f"4 by_queue {here} queued · failures · 1 failed · 1 waiting" in words(page)


def test_the_groups_and_marks_of_the_map_are_on_its_page(reader: Client) -> None:
    ended(State.FAILED, signal="old.signals.placed", receiver="old.receivers.bill")
    ended(State.READY, signal="", receiver="old.receivers.bill")
    page = page_of(reader)
    heading, receivers = rows_of(page, f"signal-{UNHEARD}")
    assert heading.endswith("tests/testapp/signals.py:6 nobody listens")
    assert receivers == "No receiver."
    title, *unconnected = rows_of(page, "unconnected")
    assert title == "Connected to no signal"
    assert any("by_queue" in row and "nobody sends Kind queued Connected no signal" in row for row in unconnected)
    title, nameless, old = rows_of(page, "unexplained")
    assert title == "Not connected in this process"
    assert "only in the record Kind queued Connected of a signal without a name Now 1 waiting" in nameless
    assert "failures only in the record Kind queued Connected of old.signals.placed" in old
    own, _, of_libraries = page.partition('<details class="signals-fold">')
    assert 'id="signal-django.core.signals.request_started"' in of_libraries
    assert f'id="signal-{UNHEARD}"' in own


def test_what_the_clock_sends_says_when(reader: Client) -> None:
    schedule(unheard, "0 3 * * *", tz="Europe/Vienna")
    page = page_of(reader)
    assert rows_of(page, f"signal-{UNHEARD}")[0].endswith("nobody listens sent by the clock: 0 3 * * * Europe/Vienna")
    assert "unheard tests.testapp.signals by the clock: 0 3 * * * Europe/Vienna Nobody listens." in words(page)


def test_what_is_paused_or_gone_says_so(reader: Client) -> None:
    unheard.connect(by_queue)
    unheard.connect(lambda sender, **kwargs: None)
    gc.collect()
    ledger.pause(PauseKind.RECEIVER, by_queue.key)
    page = page_of(reader)
    _heading, paused, dead = rows_of(page, f"signal-{UNHEARD}")
    assert " paused " in paused
    assert "queued · paused · nobody sends" in page
    assert dead == "a receiver that is gone dead reference Kind plain Connected weak, and gone Counts leaves no record"


def test_a_receiver_that_fails_now_is_red_and_says_so_before_anything_is_failed_for_good(reader: Client) -> None:
    unheard.connect(by_queue)
    one = delivery(signal=UNHEARD, receiver=by_queue.key, attempts=2)
    assert "signals-branch-now" not in page_of(reader)
    for number in (1, 2):
        attempt(one, number, finished_at=timezone.now())
    page = page_of(reader, "?show=failing-now")
    assert "queued · failing now · 1 waiting" in words(page)
    assert " failing now Kind queued" in rows_of(page, f"signal-{UNHEARD}")[1]
    assert page.count("signals-branch-failing signals-branch-now") == 1


def test_connections_of_one_receiver_share_their_numbers(reader: Client) -> None:
    unheard.connect(by_queue)
    unheard.connect(listeners.plain)
    assert "the numbers are of all its connections" not in page_of(reader)
    unheard.connect(by_queue, sender=Counter)
    assert page_of(reader).count("the numbers are of all its connections") == 2


@pytest.mark.parametrize(("state", "number"), [(State.READY, 1), (State.FAILED, 2), (State.SUCCESSFUL, 3)])
def test_a_number_leads_to_what_it_counts(reader: Client, state: State, number: int) -> None:
    unheard.connect(by_queue)
    long_ago = timezone.now() - timedelta(days=2)
    ended(state, signal="another")
    ended(state, receiver="another")
    if state != State.READY:
        delivery(state, signal=UNHEARD, receiver=by_queue.key, finished_at=long_ago)
    ended(state, number)
    body = page_of(reader).partition(f'<tbody id="signal-{UNHEARD}">')[2].partition("</tbody>")[0]
    word = "waiting" if state == State.READY else state.label
    (link,) = re.findall(rf'<a href="([^"]+)">{number} {word}</a>', body)
    answer = reader.get(unescape(link))
    assert answer.status_code == 200
    assert answer.context["cl"].result_count == number


def test_the_choices_show_how_much_there_is_and_leave_only_that(reader: Client) -> None:
    unheard.connect(by_queue)
    unheard.connect(listeners.plain)
    ended(State.FAILED)
    assert "failures 1" in words(page_of(reader))
    page = page_of(reader, "?show=failing")
    assert rows_of(page, f"signal-{UNHEARD}")[1].startswith("by_queue")
    assert len(rows_of(page, f"signal-{UNHEARD}")) == 2
    assert page.count('<tbody id="') == 1
    assert "Queued receivers with failed deliveries." in page
    assert re.search(r'<a href="[^"]+\?show=failing" aria-current="true">', page)
    assert "Nothing has this mark." in page_of(reader, "?show=paused")
    assert re.search(rf'<a href="{reverse(MAP)}" aria-current="true">', page_of(reader, "?show=whatever"))


def test_it_says_from_when_it_counts_where_a_day_is_too_much(reader: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    ended(State.SUCCESSFUL, 3)
    assert "what ended is counted from a day ago" in page_of(reader)
    monkeypatch.setattr(graph, "COUNTED", 2)
    assert re.search(r"what ended is counted from \d{4}-\d\d-\d\d \d\d:\d\d:\d\d: more has ended", page_of(reader))


def test_of_very_many_receivers_the_first_are_drawn(reader: Client) -> None:
    for number in range(SHOWN + 3):
        unheard.connect(listeners.plain, dispatch_uid=f"number {number}")
    picture = page_of(reader).partition(f'data-key="signal-{UNHEARD}"')[2].partition("</figure>")[0]
    assert picture.count("signals-branch-plain") == SHOWN
    assert words(picture).endswith(f"plain · number {SHOWN - 1} and 3 more in the table")
