"""What is said of a function that its signal calls although it is queued: decorators in the wrong order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db.models.signals import post_save
from django.dispatch import Signal
from django.test import override_settings

from signals_app.checks import check_connections, check_times
from tests.signals_app.checks.said import assert_said
from tests.signals_app.listeners import Make, listening
from tests.testapp.models import Effect
from tests.testapp.signals import plain

placed = Signal()
HINT = (
    "Put @receiver(...) above @queued; to have both, connect work.func afterwards; where another app connected it, "
    "disconnect it first."
)


class Shop:
    @classmethod
    def work(cls, sender: object, **kwargs: Any) -> None: ...


def work(sender: object, **kwargs: Any) -> None: ...


@pytest.mark.parametrize(
    ("func", "signal", "options", "name"),
    [
        (work, placed, {}, f"{__name__}.placed"),
        (work, placed, {"weak": False}, f"{__name__}.placed"),
        (work, plain, {"dispatch_uid": "once"}, "tests.testapp.signals.plain"),
        (work, post_save, {"sender": Effect}, "django.db.models.signals.post_save"),
        (Shop.work, placed, {}, f"{__name__}.placed"),
    ],
    ids=["weak", "strong", "by uid", "of a model", "classmethod"],
)
def test_a_queued_function_that_its_signal_calls_is_an_error(
    func: Callable[..., Any], signal: Signal, options: dict[str, Any], name: str, made: Make
) -> None:
    made(func, key="reversed")
    with listening(signal, func, **options):
        sentence = f"{func.__qualname__} is itself connected to {name}, which runs it in the sender's process."
        assert_said(check_connections(None), "E023", sentence, HINT)
    assert check_connections(None) == []


def test_both_are_connected_in_the_wrong_order(made: Make) -> None:
    late = made(work, key="late")
    with listening(placed, work), listening(placed, late):
        assert_said(check_connections(None), "E023", HINT)


def test_a_receiver_may_be_connected_alone_or_with_its_function(made: Make) -> None:
    right = made(work, key="right")
    with listening(placed, right):
        assert check_connections(None) == []
        with listening(placed, work):
            assert check_connections(None) == []
        with listening(plain, work):
            assert check_connections(None) == []


def test_a_receiver_that_expires_by_a_default_before_it_is_due_is_an_error(made: Make) -> None:
    made(work, key="late", delay=60)
    made(work, key="later", delay=60, expires=0)
    assert check_times(None) == []
    with override_settings(SIGNALS_APP={"EXPIRES": 60}):
        sentence = "late: expires=60 is not more than delay=60, so it would never run."
        hint = "Give the receiver other times of its own; 0 takes away one that is the project's default."
        assert_said(check_times(None), "E024", sentence, hint)
    with override_settings(SIGNALS_APP={"EXPIRES": "60"}):
        assert check_times(None) == []  # which another check refuses


def test_a_receiver_that_merges_has_times_that_suit_each_other(made: Make) -> None:
    made(work, key="merges", coalesce="thing", debounce=20)
    assert check_times(None) == []
    for default, said in (
        ("EXPIRES", "not more than debounce=20"),
        ("DELAY", "give it one"),
        ("MAX_WAIT", "less than"),
    ):
        with override_settings(SIGNALS_APP={default: 10}):
            assert_said([one for one in check_times(None) if "merges: " in one.msg], "E024", said)
    with override_settings(SIGNALS_APP={"DEBOUNCE": 70, "MAX_WAIT": 80}):
        assert check_times(None) == []  # it is nothing to a receiver that merges nothing
