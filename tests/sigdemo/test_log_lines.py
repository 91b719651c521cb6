"""Which lines the site leaves out of its log."""

import logging

import pytest
from django.conf import settings

from sigdemo.log_lines import WithoutHints


@pytest.mark.parametrize(
    ("level", "message", "kept"),
    [
        (logging.INFO, "Processed 'signals_app.worker.drain' (hint-sigdemo)", False),
        (logging.ERROR, "Failed 'signals_app.worker.drain' (hint-sigdemo) - no luck", True),
        (logging.INFO, "Processed 'math.sqrt' (four)", True),
    ],
)
def test_news_of_hints_is_left_out_and_nothing_else(level: int, message: str, kept: bool) -> None:
    record = logging.LogRecord("django-q", level, __file__, 1, message, None, None)
    assert WithoutHints().filter(record) is kept


def test_the_console_is_spared_the_hints() -> None:
    assert "without_hints" in str(settings.LOGGING["handlers"])
