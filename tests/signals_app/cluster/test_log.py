"""The log of a cluster: whose lines it has, and which are left out."""

import logging
import re
from pathlib import Path

import pytest

from signals_app.cluster.workarounds import make_log_readable
from tests.signals_app.projects import Project

SAYS = """
import django, logging
django.setup()
from signals_app.cluster.workarounds import make_log_readable
make_log_readable()
logging.getLogger("django-q").info("Q Cluster running.")
logging.getLogger("signals_app.deliveries").info("succeeded")
logging.getLogger("signals_app.deliveries").debug("starts")
"""
LOGGING = """
LOGGING = {
    "version": 1,
    "formatters": {"own": {"format": "own: %(message)s"}},
    "handlers": {"own": {"class": "logging.StreamHandler", "formatter": "own"}},
    "loggers": {"signals_app": {"handlers": ["own"], "level": "DEBUG"}},
}
"""


@pytest.mark.parametrize(
    ("settings", "lines"),
    [
        ("", [r"\d\d:\d\d:\d\d \[Q\] INFO Q Cluster running\.", r"\d\d:\d\d:\d\d \[Q\] INFO succeeded"]),
        (LOGGING, [r"\d\d:\d\d:\d\d \[Q\] INFO Q Cluster running\.", "own: succeeded", "own: starts"]),
        ('Q_CLUSTER = {"log_level": "ERROR"}', []),
    ],
)
def test_lines_go_with_django_qs_unless_the_project_says_where(settings: str, lines: list[str], tmp_path: Path) -> None:
    said = Project(tmp_path, settings).run("-c", SAYS).stderr
    assert re.fullmatch("".join(f"{line}\n" for line in lines), said)


@pytest.fixture
def django_q(monkeypatch: pytest.MonkeyPatch) -> logging.Logger:
    """Django-Q's logger; it has the filters of before afterwards."""
    logger = logging.getLogger("django-q")
    monkeypatch.setattr(logger, "filters", [])
    return logger


@pytest.mark.parametrize(
    ("level", "message", "kept"),
    [
        (logging.INFO, "Processed 'signals_app.worker.loop.drain' (hint-sigdemo)", False),
        (logging.INFO, "Process-1 processing hint-sigdemo 'signals_app.worker.loop.drain'", False),
        (logging.INFO, "Processed 'signals_app.worker.pruning.prune_for_a_while' (prune)", False),
        (logging.ERROR, "Failed 'signals_app.worker.loop.drain' (hint-sigdemo) - no luck", True),
        (logging.INFO, "Processed 'math.sqrt' (four)", True),
    ],
)
def test_news_of_hints_is_left_out_and_nothing_else(
    level: int, message: str, kept: bool, django_q: logging.Logger
) -> None:
    make_log_readable()
    assert bool(django_q.filter(logging.LogRecord("django-q", level, __file__, 1, message, None, None))) is kept
