"""Log records as JSON."""

import json
import logging
import sys
from decimal import Decimal
from typing import Any

import pytest

from signals_app import events
from signals_app.monitoring.json_lines import JsonFormatter
from signals_app.worker import loop
from tests.testapp import receivers
from tests.testapp.receivers import enqueue


def record(message: str, *values: object, **extra: Any) -> logging.LogRecord:
    return logging.getLogger("shop").makeRecord(
        "shop", logging.WARNING, __file__, 1, message, values, extra.pop("exc_info", None), extra=extra
    )


def written(one: logging.LogRecord) -> dict[str, Any]:
    """Return what the line of a record says, which is one line of plain ASCII."""
    line = JsonFormatter().format(one)
    assert line.isascii()
    assert line.isprintable()
    found: dict[str, Any] = json.loads(line)
    return found


def test_a_record_is_an_object_with_its_extra_fields() -> None:
    one = record("Order %d is placed.", 5, order=5, total=Decimal("1.10"))
    one.created = 1_900_000_000.25
    assert written(one) == {
        "time": "2030-03-17T17:46:40.250+00:00",
        "level": "WARNING",
        "logger": "shop",
        "process": one.process,
        "message": "Order 5 is placed.",
        "order": 5,
        "total": "1.10",
    }


def test_no_text_can_end_its_line_nor_become_a_field() -> None:
    nasty = 'Ada", "level": "CRITICAL"\r\n{"message": "forged"}\x1b[2J\u2028\x85ü'
    found = written(record("for %s", nasty, customer=nasty))
    assert (found["level"], found["message"], found["customer"]) == ("WARNING", f"for {nasty}", nasty)


def test_a_field_cannot_take_the_place_of_the_records_own() -> None:
    assert written(record("true", time="1970", level="DEBUG", logger="x"))["level"] == "WARNING"


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_json_has_no_number_for_is_text(number: float) -> None:
    assert written(record("", share=number))["share"] == str(number)


def test_an_exception_is_a_field() -> None:
    try:
        raise ValueError("first line\nsecond line")
    except ValueError:
        found = written(record("It failed.", exc_info=sys.exc_info()))
    assert found["message"] == "It failed."
    assert found["exception"].endswith("ValueError: first line\nsecond line")


def test_secrets_are_masked_wherever_they_stand() -> None:
    try:
        raise ValueError("password=hunter2")
    except ValueError:
        line = JsonFormatter().format(
            record("token: %s", "hunter2", exc_info=sys.exc_info(), secret="hunter2", detail="password=hunter2")
        )
    assert "hunter2" not in line
    assert line.count("********") >= 4


@pytest.mark.django_db
@pytest.mark.database
def test_the_line_of_a_delivery_has_its_facts_as_fields(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger=events.logger.name):
        delivery = enqueue(receivers.gives_up)
        loop.drain(delivery.queue)
    found = written(caplog.records[-1])
    assert found["event"] == "failed"
    assert (found["delivery"], found["emission"], found["attempt"]) == (delivery.id, str(delivery.emission), 1)
    assert (found["receiver"], found["outcome"]) == (receivers.gives_up.key, "ERROR")
    assert found["duration"] >= 0
    assert "the customer is gone" in found["exception"]
