"""What the app writes to a log, under any project's formatter."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import signals_app.worker.loop  # makes the logger that is looked at
from signals_app.redaction.logs import get_logger, one_record

NAME = "signals_app.tests.logs"
FORGED = "2026-11-23 12:00:00 CRITICAL signals_app.worker everything is lost"
ENDS = ["\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What the logger writes by Python's plain formatter."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logger = logging.getLogger(NAME)
    logger.addHandler(handler)
    yield stream
    logger.removeHandler(handler)


def records(text: str) -> list[str]:
    """Return the lines that are not marked as going on from the one before."""
    return [line for line in text.splitlines() if not line.startswith("  | ")]


@pytest.mark.parametrize("end", ENDS)
def test_neither_a_message_nor_a_traceback_can_forge_a_record(log: io.StringIO, end: str) -> None:
    try:
        raise ValueError(f"no luck{end}{FORGED}")
    except ValueError as error:
        get_logger(NAME).exception("The backoff failed: %s", error)
    assert len(records(log.getvalue())) == 1
    assert log.getvalue().count("everything is lost") == 2
    assert "\n  | Traceback (most recent call last):\n  |   File" in log.getvalue()


def test_a_terminal_gets_no_orders(log: io.StringIO) -> None:
    get_logger(NAME).warning("%s", "\x1b[2J\x1b[1;1Hall is well\x07\x9b31m \u202etxt.exe\ud800\0")
    assert log.getvalue().endswith(
        r"\x1b[2J\x1b[1;1Hall is well\x07\x9b31m \u202etxt.exe\ud800\x00" + "\n",
    )


def test_secrets_are_masked(log: io.StringIO) -> None:
    try:
        raise ValueError("postgres://ada:hunter2@db/shop")
    except ValueError as error:
        get_logger(NAME).warning("It failed: %s, %s", "password='hunter2'", error, exc_info=True)
    assert "hunter2" not in log.getvalue()
    assert "password=********" in log.getvalue()


def test_numbers_stay_numbers_and_the_error_itself_stays_with_the_record(caplog: pytest.LogCaptureFixture) -> None:
    error = ValueError("no luck")
    get_logger(NAME).warning("Delivery %d took %.1f s.", 5, 1.25, exc_info=error)
    (record,) = caplog.records
    assert record.getMessage() == "Delivery 5 took 1.2 s."
    assert record.args == (5, 1.25)
    assert record.exc_info is not None
    assert record.exc_info[1] is error


def test_every_logger_of_the_app_keeps_texts_within_their_record() -> None:
    package = Path(signals_app.__file__).parent
    plain = {path.name for path in package.rglob("*.py") if "logging.getLogger" in path.read_text()}
    assert plain == {"logs.py", "workarounds.py"}  # the latter gives them handlers, and logs nothing by them
    assert logging.getLogger("signals_app.worker").filters


@given(text=st.text() | st.text(alphabet="a |\n\r\t\v\f\x1b\x85\u2028\u2029\u202e"))
def test_any_text_is_one_record_and_stays_so(text: str) -> None:
    written = one_record(text)
    assert len(records(f"record: {written}")) == 1
    assert one_record(written) == written
    assert all(c.isprintable() or c in "\n\t" or c not in "\x1b\x07\x9b\u202e" for c in written)
