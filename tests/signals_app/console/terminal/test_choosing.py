"""Filters of the commands."""

from __future__ import annotations

from argparse import ArgumentTypeError
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError
from django.test import override_settings
from django.utils import timezone

from signals_app.console.terminal.choosing import delivery_id, moment
from tests.signals_app.console.terminal.commands import told


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("15m", 900), ("2h", 7200), ("3d", 259_200)])
def test_an_age_is_a_moment_so_long_ago(text: str, seconds: float) -> None:
    assert abs(timezone.now() - timedelta(seconds=seconds) - moment(text)) < timedelta(seconds=5)


@override_settings(TIME_ZONE="Asia/Tokyo")
def test_a_date_is_in_the_zone_of_the_project_unless_it_names_one() -> None:
    assert moment("2026-11-23T21:00") == moment("2026-11-23 21:00:00") == datetime(2026, 11, 23, 12, tzinfo=UTC)
    assert moment("2026-11-23T12:00Z") == datetime(2026, 11, 23, 12, tzinfo=UTC)
    assert moment("2026-11-24") == datetime(2026, 11, 23, 15, tzinfo=UTC)


@override_settings(USE_TZ=False)
def test_without_time_zones_a_date_has_none() -> None:
    assert moment("2026-11-23T21:00").tzinfo is None


@pytest.mark.parametrize("text", ["", "soon", "2", "-2h", "2 h", "2w", "99999999999999d", "2026-13-01", "٢h"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="is neither an age such as 15m, 2h or 3d nor a date such as"):
        moment(text)


def test_an_id_may_have_its_hash() -> None:
    assert (delivery_id("42"), delivery_id("#42")) == (42, 42)


@pytest.mark.parametrize("text", ["", "#", "x", "-1", "4.2", "²", "9" * 19, "9" * 30])
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="is not the id of a delivery, such as 42 or #42"):
        delivery_id(text)


@pytest.mark.parametrize("option", [("--state", "lost"), ("--since", "soon"), ("--attempts", "-1"), ("--limit", "0")])
def test_a_wrong_option_is_said_in_one_sentence(option: tuple[str, str]) -> None:
    with pytest.raises(CommandError, match=f"argument {option[0]}: "):
        told("list", *option)
