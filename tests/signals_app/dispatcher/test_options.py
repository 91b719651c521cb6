"""The options of a queued receiver: as given, the project's defaults beneath, and what each does."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from django.dispatch import Signal
from django.http import HttpRequest
from django.test import override_settings

from signals_app.backoff import fixed, linear
from signals_app.dispatcher import QueuedReceiver, registry
from signals_app.dispatcher.options import OptionArguments, ReceiverOptions
from signals_app.exceptions import ReceiverError
from signals_app.models import Delivery
from tests.signals_app.listeners import Make, listening, written
from tests.testapp.models import Thing

announced = Signal()


def plain(sender: object, **kwargs: Any) -> None: ...


def always(**arguments: Any) -> bool:
    return True


async def later(**arguments: Any) -> bool:
    return False


GIVEN: OptionArguments = {
    "queue": "mail",
    "priority": 7,
    "max_attempts": 2,
    "backoff": fixed(3),
    "timeout": 1.5,
    "delay": 10,
    "expires": 60,
    "coalesce": "instance",
    "debounce": 0,
    "max_wait": 20,
    "lane": "order",
    "concurrency": 0,
    "on_failure": "block",
    "rate": "5/s",
    "rate_key": "order",
    "burst": 3,
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
    "EXPIRES": 30.0,
    "COALESCE": "order",
    "DEBOUNCE": 6.0,
    "MAX_WAIT": 60.0,
    "LANE": "instance",
    "CONCURRENCY": 1,
    "ON_FAILURE": "pass",
    "RATE": "100/m",
    "RATE_KEY": "instance",
    "BURST": 7,
    "WHEN": bool,
    "DROP": ("environ",),
    "SNAPSHOT": ("order",),
    "MISSING": "skip",
    "ATOMIC": True,
}


def values(options: ReceiverOptions) -> dict[str, Any]:
    return {setting.name: getattr(options, setting.name) for setting in options.known().values()}


def test_an_option_is_as_given_else_the_projects_at_each_use() -> None:
    given, not_given = ReceiverOptions(**GIVEN), ReceiverOptions()
    assert OptionArguments.__annotations__.keys() == {"key", *values(given)}
    with override_settings(SIGNALS_APP=PROJECT):
        assert values(given) == GIVEN
        assert values(not_given) == {key.lower(): value for key, value in PROJECT.items()}
    assert values(not_given) != {key.lower(): value for key, value in PROJECT.items()}


@override_settings(SIGNALS_APP=PROJECT)
def test_nothing_zero_and_no_are_values_too() -> None:
    given: OptionArguments = {"priority": 0, "delay": 0, "drop": (), "snapshot": (), "atomic": False, "missing": "fail"}
    assert values(ReceiverOptions(**given)).items() >= given.items()


@pytest.mark.parametrize(
    ("option", "given", "read"),
    [
        ("delay", timedelta(minutes=1, milliseconds=500), 60.5),
        ("expires", timedelta(minutes=1), 60.0),
        ("drop", ["a"], ("a",)),
        ("snapshot", {"a": 1}.keys(), ("a",)),
    ],
)
def test_what_means_the_same_is_taken_too(option: str, given: Any, read: object) -> None:
    assert getattr(ReceiverOptions(**{option: given}), option) == read


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("timeout", timedelta(1), f"timeout={timedelta(1)!r} is not seconds, more than 0 and at most ten years."),
        ("delay", timedelta(-1), "delay=-86400.0 is not seconds, 0 to ten years."),
        ("expires", -1, "expires=-1 is not seconds, 0 to ten years."),
        ("when", later, "when is asked at send(), where nothing can be awaited; give it a plain function."),
        ("drop", "request", "drop='request' is a string; write drop=('request',)."),
        ("rate", "100", "rate='100' is not a rate such as \"100/m\", of s, m, h or d, or an empty text."),
        ("rate", "0/m", "rate='0/m' is not a rate such as \"100/m\", of s, m, h or d, or an empty text."),
        ("burst", 5, 'burst=5 needs a rate beside it, such as rate="100/m".'),
        ("rate_key", "order", "rate_key='order' needs a rate beside it, such as rate=\"100/m\"."),
        ("drop", 5, "drop=5 is not a tuple of argument names."),
        (
            "retries",
            3,
            (
                "Unknown option 'retries'; a queued receiver takes key, queue, priority, max_attempts, backoff, "
                "timeout, delay, expires, coalesce, debounce, max_wait, lane, concurrency, on_failure, rate, rate_key, "
                "burst, when, drop, snapshot, missing, atomic."
            ),
        ),
    ],
)
def test_a_wrong_option_says_what_there_is_and_leaves_no_receiver_behind(
    option: str, value: Any, message: str, made: Make
) -> None:
    with pytest.raises(ReceiverError) as caught:
        made(plain, key="wrong", **{option: value})
    assert str(caught.value) == message
    assert registry.get("wrong") is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"delay": 60, "expires": timedelta(minutes=1)},
            "expires=60 is not more than delay=60, so it would never run.",
        ),
        (
            {"coalesce": "thing", "debounce": timedelta(minutes=1), "expires": 60},
            "expires=60 is not more than debounce=60, so it would never run.",
        ),
        ({"debounce": 5}, "debounce=5 needs coalesce=..., which says what is run as one."),
        ({"max_wait": 5}, "max_wait=5 needs coalesce=..., which says what is run as one."),
        (
            {"coalesce": "thing", "debounce": 5, "max_wait": timedelta(seconds=4)},
            "max_wait=4 is less than debounce=5, so it would never wait for quiet.",
        ),
        (
            {"coalesce": "thing", "debounce": 5, "delay": 1},
            "delay=1 and debounce=5 both say when it is due; give it one of them.",
        ),
    ],
)
def test_options_that_exclude_each_other_are_refused(given: dict[str, Any], message: str, made: Make) -> None:
    with pytest.raises(ReceiverError) as caught:
        made(plain, key="wrong", **given)
    assert str(caught.value) == message


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("coalesce", "key"),
    [
        ("thing", "testapp.Thing 7"),
        ("size", "5"),
        (lambda thing, size, **arguments: f"{thing.pk}:{size}", "7:5"),
        (lambda **arguments: "é" * 256, sha256(("é" * 256).encode()).hexdigest()),
        (lambda **arguments: None, ""),
    ],
    ids=["an instance", "a value", "a function", "a long one", "none"],
)
def test_what_is_coalesced_has_a_key_and_waits_for_quiet(coalesce: Any, key: str, made: Make) -> None:
    one = enqueue(made(plain, key="merges", coalesce=coalesce, debounce=9), thing=Thing.objects.create(pk=7), size=5)
    assert (one.coalesce_key, one.due_at - one.enqueued_at) == (key, timedelta(seconds=9 if key else 0))


def enqueue(receiver: QueuedReceiver, **arguments: Any) -> Delivery:
    with listening(announced, receiver):
        announced.send(sender=None, **arguments)
    return written()[-1]


@pytest.mark.django_db
def test_what_a_worker_and_the_queue_go_by_is_on_the_record(made: Make) -> None:
    one = enqueue(made(plain, key="with options", queue="mail", priority=5, max_attempts=3, delay=90.5))
    assert (one.receiver, one.queue, one.priority, one.max_attempts) == ("with options", "mail", 5, 3)
    assert one.due_at - one.enqueued_at == timedelta(seconds=90.5)


@pytest.mark.django_db
def test_when_decides_having_seen_what_the_receiver_would_get(made: Make) -> None:
    asked: list[dict[str, Any]] = []

    def if_large(size: int = 0, **arguments: Any) -> bool:
        asked.append(arguments)
        return 100 / size < 10

    request = HttpRequest()
    with listening(announced, made(plain, when=if_large, drop=("request",))):
        answers: list[Any] = [announced.send(sender=None, size=size, request=request)[0][1] for size in (3, 30)]
        with pytest.raises(ZeroDivisionError):
            announced.send(sender=None, size=0)
    assert answers == [None, *written()]
    assert asked[:2] == [{"signal": announced, "sender": None, "request": request}] * 2


@pytest.mark.parametrize(
    "options", [{"on_failure": "block"}, {"on_failure": "block", "lane": "order", "concurrency": 2}]
)
def test_only_a_lane_in_order_can_be_blocked(options: dict[str, Any]) -> None:
    with pytest.raises(ReceiverError, match='on_failure="block" is for a lane in order: give the receiver lane='):
        ReceiverOptions(**options)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("lane", "why"),
    [
        ("order", "lane='order' names an argument that the signal does not pass. It passes thing."),
        (
            lambda thing, **kwargs: thing.lane,
            "its lane failed with AttributeError: 'str' object has no attribute 'lane'.",
        ),
    ],
)
def test_a_lane_that_cannot_be_told_is_an_error_at_the_send(made: Make, lane: Any, why: str) -> None:
    receiver = made(plain, key="in a lane", lane=lane)
    with pytest.raises(ReceiverError) as error:
        receiver(signal=announced, sender=None, thing="a lamp")
    assert str(error.value) == f"in a lane cannot receive {__name__}.announced: {why}"
