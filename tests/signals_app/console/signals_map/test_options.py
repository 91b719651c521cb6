"""The options of a queued receiver, as people and programs read them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import override_settings

from signals_app.console.signals_map.listeners import options_of
from signals_app.dispatcher import QueuedReceiver, registry
from signals_app.dispatcher.options import ReceiverOptions
from tests.signals_app.console.signals_map.listeners import by_queue, plain


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    yield
    registry.forget("tests.options")


def silent(sender: object, **kwargs: Any) -> None:
    """Does nothing, and is connected to nothing."""


def two_seconds(attempts: int) -> float:
    return 2


def made(**given: Any) -> QueuedReceiver:
    return QueuedReceiver(silent, key="tests.options", options=ReceiverOptions(**given))


def texts(receiver: QueuedReceiver, *, given: bool = True) -> set[str]:
    return {str(option) for option in options_of(receiver) if option.is_given is given}


def test_what_was_given_comes_first() -> None:
    given = [option.is_given for option in options_of(by_queue)]
    assert given == [True] * 3 + [False] * 8


def test_functions_are_named_and_backoffs_say_what_they_are_made_of() -> None:
    assert texts(made(when=plain)) == {"when=tests.signals_app.console.signals_map.listeners.plain"}
    assert texts(made(backoff=two_seconds)) == {f"backoff={__name__}.two_seconds"}
    assert "backoff=exponential(base=2, cap=600, jitter=0.25)" in texts(made(), given=False)


def test_names_of_arguments_are_a_list() -> None:
    assert texts(made(drop=("request", "form"))) == {"drop=form, request"}
    assert "snapshot=()" in texts(made(), given=False)


def test_a_default_is_that_of_the_moment() -> None:
    with override_settings(SIGNALS_APP={"TIMEOUT": 7.5}):
        assert "timeout=7.5" in texts(made(), given=False)
