"""How deep and how large the arguments of a send may be."""

from __future__ import annotations

import pytest
from django.test import override_settings

from signals_app.exceptions import PayloadTooLarge
from tests.payload_app.values import Point
from tests.signals_app.travels import WHO, encode, refusal


def test_cycle_is_named_where_it_closes() -> None:
    lines: list[object] = [1]
    lines.append({"back": lines})
    assert refusal([Point(lines)]) == ("order[0].x[1]['back'] contains itself. Break the cycle, or pass primary keys.")
    point = Point(1)
    point.y = point
    assert refusal(point).startswith("order.y contains itself.")


def test_nesting_has_a_limit() -> None:
    value: object = 1
    for _ in range(33):
        value = [value]
    assert refusal(value).endswith(
        "… is nested deeper than 32 levels. Flatten it, or store it and pass its primary key."
    )


@override_settings(SIGNALS_APP={"MAX_PAYLOAD": 1000})
@pytest.mark.parametrize(
    ("big", "size"),
    [("x" * 1000, "1,050"), ("é" * 600, "1,250"), (["é"] * 300, "1,549"), ([1] * 1001, "more than 1,000")],
)
def test_payload_has_a_limit_in_bytes(big: object, size: str) -> None:
    with pytest.raises(PayloadTooLarge) as caught:
        encode({"small": 1, "lines": big})
    assert str(caught.value) == (
        f"{WHO}its arguments take {size} bytes of JSON and "
        'SIGNALS_APP["MAX_PAYLOAD"] allows 1,000; the largest is lines. '
        "Store the data and pass its primary key, or raise the limit."
    )


def test_payload_of_exactly_the_limit_travels() -> None:
    size = len(encode({"a": "x"}))
    with override_settings(SIGNALS_APP={"MAX_PAYLOAD": size}):
        encode({"a": "y"})
        with pytest.raises(PayloadTooLarge):
            encode({"a": "xy"})


def test_value_that_would_grow_without_end_is_stopped() -> None:
    value: object = []
    for _ in range(30):
        value = [value] * 10
    with pytest.raises(PayloadTooLarge, match="more than 65,536 bytes"):
        encode({"value": value})
