"""How the site writes its log."""

import logging
import logging.config
import re
import sys

import pytest
from django.conf import settings


@pytest.fixture
def line() -> logging.Formatter:
    """The formatter of the site's console, as its settings make it."""
    made: logging.Formatter = logging.config.DictConfigurator({}).configure_formatter(
        dict(settings.LOGGING["formatters"]["line"])  # type: ignore[index]
    )
    return made


@pytest.mark.parametrize("name", ["django.request", "django-q", "receivers.shop", "somebody.elses"])
def test_no_text_in_a_record_passes_for_another_record(name: str, line: logging.Formatter) -> None:
    forged = "2026-11-23 12:00:00,000 CRITICAL sigdemo [1] all is lost"
    try:
        raise ValueError(f"no luck\n{forged}\x1b[2J")
    except ValueError:
        record = logging.LogRecord(name, logging.ERROR, __file__, 1, f"%s\u2028{forged}", (forged,), sys.exc_info())
    written = line.format(record)
    first, *others = written.splitlines()
    assert re.match(rf"\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d,\d+ ERROR {name} \[\d+\] {re.escape(forged)}", first)
    assert others
    assert all(other.startswith("  | ") for other in others)
    assert r"\x1b[2J" in written


def test_no_secret_is_written(line: logging.Formatter) -> None:
    record = logging.LogRecord("x", logging.ERROR, __file__, 1, "GET /?token=%s&page=2", ("hunter2",), None)
    assert line.format(record).endswith("GET /?token=********&page=2")
