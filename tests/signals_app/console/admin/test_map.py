"""The signals map in the admin: its table, and the picture of one signal."""

from __future__ import annotations

import gc
import re
from datetime import timedelta
from html import unescape
from itertools import pairwise
from typing import Any

import pytest
from django.template.loader import render_to_string
from django.test import Client, override_settings
from django.urls import reverse
from django.utils import timezone, translation

from signals_app import ledger
from signals_app.console.admin.map_page import BOX, RECEIVER_LEFT, SHOWN, SIGNAL_WIDTH, WIDTH, picture_of
from signals_app.console.signals_map import graph
from signals_app.console.signals_map.callables import Form
from signals_app.console.signals_map.graph import Counts, Kind, Mark, Row, SignalRows
from signals_app.models import PauseKind, State
from tests.signals_app.console.admin.rows import delivery
from tests.signals_app.console.signals_map import listeners
from tests.signals_app.console.signals_map.listeners import FILE, UNHEARD, Counter, by_queue, line_of
from tests.testapp.signals import unheard

pytestmark = pytest.mark.django_db

MAP = "admin:signals_app_map_changelist"


def page_of(client: Client, query: str = "") -> str:
    answer = client.get(reverse(MAP) + query)
    assert answer.status_code == 200
    return answer.content.decode()


def words(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


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
    assert heading == "unheard tests.testapp.signals tests/testapp/signals.py:7"
    assert plain == (
        f"plain {here} {FILE}:{line_of('def plain')} Kind plain Connected sender {here}.Counter weak "
        "Counts leaves no record"
    )
    assert asynchronous.endswith("Kind async Connected dispatch_uid once strong Counts leaves no record")
    assert queued.startswith(f"by_queue {here} {FILE}:{line_of('@queued')} failures Kind queued Connected weak")
    assert "Options priority=3 delay=1.5 drop=request 8 defaults" in queued
    assert queued.endswith("Now 1 waiting Ended 1 failed 2 successful 3 attempts")


def test_what_deserves_a_look_says_so(reader: Client) -> None:
    heading, receivers = rows_of(page_of(reader), f"signal-{UNHEARD}")
    assert heading.endswith("tests/testapp/signals.py:7 nobody listens")
    assert receivers == "No receiver."
    unheard.connect(by_queue)
    unheard.connect(lambda sender, **kwargs: None)
    gc.collect()
    ledger.pause(PauseKind.RECEIVER, by_queue.key)
    page = page_of(reader)
    _heading, paused, dead = rows_of(page, f"signal-{UNHEARD}")
    assert " paused " in paused
    assert "queued, paused, no delivery" in page
    assert dead == "a receiver that is gone dead reference Kind plain Connected weak, and gone Counts leaves no record"


def test_connections_of_one_receiver_share_their_numbers(reader: Client) -> None:
    unheard.connect(by_queue)
    unheard.connect(listeners.plain)
    assert "the numbers are of all its connections" not in page_of(reader)
    unheard.connect(by_queue, sender=Counter)
    assert page_of(reader).count("the numbers are of all its connections") == 2


def test_receivers_without_a_signal_and_deliveries_without_a_connection_have_groups(reader: Client) -> None:
    ended(State.FAILED, signal="old.signals.placed", receiver="old.receivers.bill")
    ended(State.READY, signal="", receiver="old.receivers.bill")
    page = page_of(reader)
    unconnected = rows_of(page, "unconnected")
    assert unconnected[0] == "Connected to no signal"
    assert any("by_queue" in row and "nobody sends Kind queued Connected no signal" in row for row in unconnected)
    unexplained = rows_of(page, "unexplained")
    assert unexplained[0] == "Not connected in this process"
    assert "only in the record Kind queued Connected of a signal without a name Now 1 waiting" in unexplained[1]
    assert "failures only in the record Kind queued Connected of old.signals.placed" in unexplained[2]


def test_signals_of_libraries_are_folded_away(reader: Client) -> None:
    before, _, folded = page_of(reader).partition('<details class="signals-fold">')
    assert 'id="signal-django.core.signals.request_started"' in folded
    assert 'id="signal-django.core.signals.request_started"' not in before
    assert f'id="signal-{UNHEARD}"' in before


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


def row(name: str = "send_mail", kind: Kind = Kind.QUEUED, **fields: Any) -> Row:
    standard: dict[str, Any] = {
        "signal": "",
        "form": Form.FUNCTION,
        "place": None,
        "options": {},
        "given": (),
        "counts": Counts() if kind == Kind.QUEUED else None,
    }
    return Row(receiver=f"shop.receivers.{name}" if name else "", kind=kind, **standard | fields)


def drawn(*rows: Row, name: str = "order_placed") -> dict[str, Any]:
    marks = () if rows else (Mark.UNHEARD,)
    return picture_of(
        SignalRows(name=f"shop.signals.{name}", place=None, is_foreign=False, receivers=rows, marks=marks)
    )


@pytest.mark.parametrize(
    ("one", "note"),
    [
        (row(kind=Kind.PLAIN), "plain"),
        (row(kind=Kind.ASYNC), "async"),
        (row(kind=Kind.PLAIN, is_dead=True, form=Form.GONE), "plain · gone"),
        (row(kind=Kind.PLAIN, form=Form.PARTIAL, dispatch_uid="lab-3"), "plain · lab-3"),
        (row(kind=Kind.PLAIN, dispatch_uid="lab-3"), "plain"),
        (row(counts=Counts(successful=7, runs=9)), "queued"),
        (row(counts=Counts(waiting=5, successful=7)), "queued · 5 waiting"),
        (row(counts=Counts(waiting=5, failed=1)), "1 failed · 5 waiting"),
        (row(counts=Counts(running=2)), "queued · 2 running"),
        (row(marks=(Mark.UNSENT,)), "queued · no delivery"),
        (row(marks=(Mark.PAUSED, Mark.UNSENT)), "paused · no delivery"),
        (row(counts=Counts(waiting=1, running=1), dispatch_uid="lab-3", form=Form.PARTIAL), "1 running · 1 waiting"),
        (
            row(kind=Kind.PLAIN, form=Form.PARTIAL, dispatch_uid="a_long_dispatch_uid_of_the_shop"),
            "a_long_dispatch…the_shop",
        ),
        (row(counts=Counts(failed=12_345, running=99_999, waiting=123_456)), "12k failed · 99k running"),
    ],
)
def test_a_note_says_what_matters_and_fits(one: Row, note: str) -> None:
    assert drawn(one)["targets"][0]["note"] == note
    assert len(note) <= 24


@pytest.mark.parametrize(
    ("counts", "number"),
    [
        (Counts(), ""),
        (Counts(waiting=1, running=1, successful=1, failed=1, cancelled=1, runs=99), "5"),
        (Counts(successful=999), "999"),
        (Counts(successful=1_000), "1.0k"),
        (Counts(successful=1_299), "1.2k"),
        (Counts(successful=45_999), "45k"),
        (Counts(successful=3_450_000), "3.4M"),
    ],
)
def test_the_number_at_a_line_counts_deliveries(counts: Counts, number: str) -> None:
    assert drawn(row(counts=counts))["targets"][0]["number"] == number


def test_a_long_name_is_broken_at_underscores_and_cut_in_the_middle() -> None:
    lines = drawn(row(), name="an_order_was_placed_by_somebodyofaverylongname")["signal_lines"]
    assert [line["text"] for line in lines] == ["an_order_was_", "placed_by_", "somebodyo…name"]
    assert drawn(row("work_in_a_worker_of_the_shop-12"))["targets"][0]["name"] == "work_in_a_w…hop-12"
    assert drawn(row("work_in_a_worker-8"))["targets"][0]["name"] == "work_in_a_worker-8"
    assert drawn(row("", is_dead=True))["targets"][0]["name"] == "gone"


@pytest.mark.parametrize("number", [0, 1, 2, SHOWN])
def test_everything_lies_within_the_picture_and_apart(number: int) -> None:
    rows = [row(f"receiver_{one}") for one in range(number)]
    picture = drawn(*rows, name="a_very_long_name_of_a_signal_that_is_sent")
    tops = [target["top"] for target in picture["targets"]]
    assert all(later - earlier > BOX for earlier, later in pairwise(tops))
    assert all(0 <= top <= picture["height"] - BOX for top in tops)
    assert 0 <= picture["signal_top"] <= picture["height"] - picture["signal_height"]
    assert all(0 < line["y"] < picture["height"] for line in picture["signal_lines"])
    assert picture["receiver_left"] + picture["receiver_width"] == WIDTH
    assert picture["is_heard"] is bool(number)
    for target in picture["targets"]:  # a line leads to each, from the signal
        x, y, *_bends, end_x, end_y = map(float, re.findall(r"[\d.]+", target["path"]))
        assert (x, y) == (SIGNAL_WIDTH, picture["height"] / 2)
        assert (end_x, end_y) == (RECEIVER_LEFT, target["top"] + BOX / 2)


def test_of_very_many_receivers_the_first_are_drawn() -> None:
    picture = drawn(*[row(f"receiver_{one}") for one in range(SHOWN + 3)])
    assert (len(picture["targets"]), picture["more"]) == (SHOWN, 3)
    assert f"receiver_{SHOWN + 2}, queued" in picture["sentence"]


def test_its_sentence_says_all_of_it() -> None:
    counts = Counts(waiting=5, failed=1)
    assert drawn(row("book", kind=Kind.PLAIN), row(counts=counts, marks=(Mark.FAILING,)))["sentence"] == (
        "order_placed calls 2 receivers: book, plain; send_mail, queued, 1 failed, 5 waiting."
    )
    assert drawn(row("book", kind=Kind.ASYNC))["sentence"] == "order_placed calls 1 receiver: book, async."
    assert drawn()["sentence"] == "order_placed: nobody listens."


def test_no_coordinate_is_written_in_the_readers_language() -> None:
    picture = drawn(row(), row(counts=Counts(successful=1500)), row(), name="a_very_long_name")
    with translation.override("de"), override_settings(USE_THOUSAND_SEPARATOR=True):
        html = render_to_string("admin/signals_app/map_picture.html", {"picture": picture})
    numbers = re.findall(r' (?:x|y|width|height|viewBox)="([^"]*)"', html)
    assert numbers
    assert all(re.fullmatch(r"[\d. ]+", number) for number in numbers)
