"""The options of a queued receiver: as given, and the project's defaults beneath."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from typing import Any

import pytest
from django.test import override_settings

from signals_app.backoff import exponential, fixed, linear
from signals_app.dispatcher.options import OptionArguments, ReceiverOptions, Resolved
from signals_app.exceptions import ReceiverError


def always(**arguments: Any) -> bool:
    return True


def never(**arguments: Any) -> bool:
    return False


async def later(**arguments: Any) -> bool:
    return False


GIVEN: OptionArguments = {
    "queue": "mail",
    "priority": 7,
    "max_attempts": 2,
    "backoff": fixed(3),
    "timeout": 1.5,
    "delay": 10,
    "when": always,
    "drop": ("request",),
    "snapshot": ("instance",),
    "missing": "skip",
    "atomic": True,
}
PROJECT: dict[str, Any] = {
    "QUEUE": "slow",
    "PRIORITY": -1,
    "MAX_ATTEMPTS": 11,
    "BACKOFF": linear(step=5),
    "TIMEOUT": 99.0,
    "DELAY": 4.0,
    "WHEN": never,
    "DROP": ("environ",),
    "SNAPSHOT": ("order",),
    "MISSING": "skip",
    "ATOMIC": True,
}
NAMES = [field.name for field in fields(ReceiverOptions)]


def resolved(**options: Any) -> Resolved:
    return Resolved(ReceiverOptions.given(OptionArguments(**options)))  # type: ignore[typeddict-item]


def values(options: Resolved) -> dict[str, Any]:
    return {name: getattr(options, name) for name in NAMES}


@override_settings(SIGNALS_APP=PROJECT)
def test_every_option_is_as_given_whatever_the_project_says() -> None:
    assert sorted(GIVEN) == sorted(NAMES)
    assert values(resolved(**GIVEN)) == GIVEN


@override_settings(SIGNALS_APP=PROJECT)
def test_every_option_not_given_is_the_projects() -> None:
    assert values(resolved()) == {key.lower(): value for key, value in PROJECT.items()}


@override_settings(SIGNALS_APP={}, Q_CLUSTER={"name": "site"})
def test_an_option_that_nobody_gives_has_a_default() -> None:
    assert values(resolved()) == {
        "queue": "site",
        "priority": 0,
        "max_attempts": 5,
        "backoff": exponential(),
        "timeout": 60.0,
        "delay": 0.0,
        "when": None,
        "drop": (),
        "snapshot": (),
        "missing": "fail",
        "atomic": False,
    }


def test_the_projects_default_is_read_at_each_use() -> None:
    options = resolved(priority=3)
    for attempts in (4, 6):
        with override_settings(SIGNALS_APP={"MAX_ATTEMPTS": attempts, "PRIORITY": 9}):
            assert (options.max_attempts, options.priority) == (attempts, 3)


@override_settings(SIGNALS_APP={"PRIORITY": 5, "DELAY": 60, "DROP": ("a",), "SNAPSHOT": ("b",), "ATOMIC": True})
def test_nothing_and_zero_are_values_too() -> None:
    options = resolved(priority=0, delay=0, drop=(), snapshot=(), atomic=False, missing="fail")

    assert (options.priority, options.delay, options.drop, options.snapshot) == (0, 0, (), ())
    assert options.atomic is False


@override_settings(SIGNALS_APP={"MISSING": "skip"})
def test_missing_fail_overrides_a_project_that_skips() -> None:
    assert resolved(missing="fail").missing == "fail"


def test_delay_may_be_a_timedelta() -> None:
    assert resolved(delay=timedelta(minutes=1, milliseconds=500)).delay == 60.5


@pytest.mark.parametrize("names", [["a", "b"], {"a", "b"}, frozenset(("a", "b")), {"a": 1, "b": 2}.keys()])
@pytest.mark.parametrize("option", ["drop", "snapshot"])
def test_names_may_come_in_any_collection(option: str, names: Any) -> None:
    assert sorted(getattr(resolved(**{option: names}), option)) == ["a", "b"]


def test_an_unknown_option_names_those_there_are() -> None:
    with pytest.raises(ReceiverError) as caught:
        resolved(retries=3)

    assert str(caught.value) == (
        "Unknown option 'retries'; a queued receiver takes key, queue, priority, max_attempts, backoff, timeout, "
        "delay, when, drop, snapshot, missing, atomic."
    )


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("queue", "", "queue='' is not a cluster name, 1 to 100 printable characters."),
        ("queue", "a\nb", "queue='a\\nb' is not a cluster name, 1 to 100 printable characters."),
        ("queue", "x" * 101, f"queue='{'x' * 101}' is not a cluster name, 1 to 100 printable characters."),
        ("priority", 1.5, "priority=1.5 is not a whole number from -32768 to 32767; higher runs first."),
        ("priority", "high", "priority='high' is not a whole number from -32768 to 32767; higher runs first."),
        ("max_attempts", 0, "max_attempts=0 is not a whole number, 1 or more"),
        ("backoff", 30, "backoff=30 is not a callable: attempts so far -> seconds."),
        ("timeout", 0, "timeout=0 is not seconds, more than 0 and at most ten years."),
        (
            "timeout",
            timedelta(1),
            "timeout=datetime.timedelta(days=1) is not seconds, more than 0 and at most ten years.",
        ),
        ("delay", -1, "delay=-1 is not seconds, 0 to ten years."),
        ("delay", timedelta(-1), "delay=-86400.0 is not seconds, 0 to ten years."),
        ("when", "always", "when='always' is not a callable or None."),
        ("drop", "request", "drop='request' is a string; write drop=('request',)."),
        ("drop", 5, "drop=5 is not a tuple of argument names."),
        ("snapshot", "instance", "snapshot='instance' is a string; write snapshot=('instance',)."),
        ("snapshot", (1,), "snapshot=(1,) is not a tuple of argument names."),
        ("missing", "ignore", """missing='ignore' is not "fail" or "skip"."""),
        ("atomic", 1, "atomic=1 is not True or False."),
    ],
)
def test_a_wrong_value_says_what_the_option_takes(option: str, value: Any, message: str) -> None:
    with pytest.raises(ReceiverError) as caught:
        resolved(**{option: value})

    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("priority", 32_768),
        ("priority", -32_769),
        ("max_attempts", 2**31),
        ("delay", 1e12),
        ("delay", timedelta.max),
        ("timeout", 1e300),
    ],
)
def test_a_value_that_would_only_fail_at_the_send_is_refused_at_once(option: str, value: Any) -> None:
    with pytest.raises(ReceiverError, match=f"^{option}="):
        resolved(**{option: value})


def test_an_async_predicate_is_refused_for_it_would_always_be_true() -> None:
    with pytest.raises(ReceiverError) as caught:
        resolved(when=later)

    assert str(caught.value) == "when is asked at send(), where nothing can be awaited; give it a plain function."
