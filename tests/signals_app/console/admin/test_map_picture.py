"""The picture of one signal."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest
from django.template.loader import render_to_string
from django.test import override_settings
from django.utils import translation

from signals_app.console.admin.map_picture import BOX, RECEIVER_LEFT, SHOWN, SIGNAL_WIDTH, WIDTH, picture_of
from signals_app.console.signals_map.callables import Form
from signals_app.console.signals_map.graph import Counts, Kind, Mark, Row, SignalRows


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
