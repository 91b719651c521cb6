"""What the log says of each step of a delivery, and the fields that say the same."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import override_settings

from signals_app import ledger
from signals_app.cluster.broker import DeliveryBroker
from signals_app.conf import conf
from signals_app.models import Delivery
from signals_app.worker import loop
from tests.testapp import receivers
from tests.testapp.receivers import enqueue

pytestmark = pytest.mark.django_db

Lines = Callable[[Delivery], list[logging.LogRecord]]


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[Lines]:
    """Drain the queue, and return what was logged of a delivery."""

    def of(delivery: Delivery) -> list[logging.LogRecord]:
        loop.drain(delivery.queue)
        return [record for record in caplog.records if record.name == "signals_app.deliveries"]

    with caplog.at_level(logging.DEBUG, logger="signals_app.deliveries"):
        yield of


def facts(record: logging.LogRecord, *names: str) -> tuple[Any, ...]:
    return tuple(getattr(record, name) for name in names)


def test_a_success_is_told_from_hand_off_to_end(lines: Lines) -> None:
    delivery = enqueue(receivers.nothing)
    records = lines(delivery)
    assert [(one.levelname, *facts(one, "event")) for one in records] == [
        ("DEBUG", "enqueued"),
        ("DEBUG", "started"),
        ("INFO", "succeeded"),
    ]
    name = f"Delivery {delivery.id} (tests.testapp.receivers.nothing, emission {delivery.emission})"
    enqueued, started, succeeded = records
    assert enqueued.getMessage() == f"{name} is enqueued in sigdemo."
    (wait,) = facts(started, "wait")
    assert started.getMessage() == f"{name} starts attempt 1 of 5 after a wait of {wait:.3f} s."
    (seconds,) = facts(succeeded, "duration")
    assert succeeded.getMessage() == f"{name} succeeded at attempt 1 of 5 after {seconds:.3f} s."
    for record in records:
        assert facts(record, "delivery", "emission", "signal", "receiver", "queue") == (
            delivery.id,
            str(delivery.emission),
            "tests.testapp.signals.plain",
            receivers.nothing.key,
            "sigdemo",
        )
    assert facts(succeeded, "attempt", "max_attempts") == (1, 5)


def test_an_attempt_that_failed_is_told_with_what_becomes_of_it(lines: Lines) -> None:
    *_, failed = lines(enqueue(receivers.fails))
    assert (failed.levelname, *facts(failed, "event", "state")) == ("WARNING", "attempt_failed", "READY")
    seconds, delay, outcome, error = facts(failed, "duration", "delay", "outcome", "error")
    assert failed.getMessage().endswith(
        f" ended attempt 1 of 3 with ERROR (builtins.ValueError) after {seconds:.3f} s and runs again in 0.2 s."
    )
    assert (delay, outcome, error) == (0.2, "ERROR", "builtins.ValueError")
    assert "\n" not in failed.getMessage()
    assert "it went wrong at attempt 1" in logging.Formatter().format(failed)


def test_a_failure_is_an_error(lines: Lines) -> None:
    *_, failed = lines(enqueue(receivers.gives_up))
    assert (failed.levelname, *facts(failed, "event", "state")) == ("ERROR", "failed", "FAILED")
    assert failed.getMessage().endswith(" s and is FAILED.")


def test_a_lost_attempt_is_told_by_the_pusher_that_gives_it_back(
    lines: Lines, caplog: pytest.LogCaptureFixture
) -> None:
    delivery = enqueue(receivers.nothing)
    ledger.claim(conf.queue, owner="vm/boot/12/34", limit=1, lease=0)
    DeliveryBroker(list_key=conf.queue)._recover_lost()
    lost = caplog.records[-1]
    assert (lost.levelname, *facts(lost, "event", "delivery", "state", "outcome", "error")) == (
        "WARNING",
        "lost",
        delivery.id,
        "READY",
        "LOST",
        "LeaseExpired",
    )
    assert " ended attempt 1 of 5 with LOST (LeaseExpired) after " in lost.getMessage()


def test_a_delivery_that_is_skipped_is_told_with_the_reason(lines: Lines) -> None:
    user = get_user_model().objects.create_user("ada")
    with override_settings(SIGNALS_APP={"MISSING": "skip"}):
        delivery = enqueue(receivers.work, user=user)
        user.delete()
        *_, skipped = lines(delivery)
    assert (skipped.levelname, *facts(skipped, "event", "attempt")) == ("INFO", "cancelled", 1)
    assert " is CANCELLED at attempt 1 of 5 after " in skipped.getMessage()
    assert "auth.User" in skipped.getMessage()


def test_a_result_that_comes_after_a_takeover_is_told(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receivers.work, "func", lambda **arguments: Delivery.objects.update(token=99))
    *_, stale = lines(enqueue(receivers.work))
    assert (stale.levelname, *facts(stale, "event", "attempt")) == ("WARNING", "stale", 1)
    assert " was taken over; its attempt 1 of 5 ended after " in stale.getMessage()


def test_a_receiver_nobody_knows_is_told(lines: Lines) -> None:
    delivery = enqueue(receivers.nothing)
    Delivery.objects.filter(pk=delivery.pk).update(receiver="gone.receiver")
    *_, told = lines(delivery)
    assert (told.levelname, *facts(told, "event", "receiver")) == ("WARNING", "unroutable", "gone.receiver")
    assert told.getMessage().endswith(" waits: this worker does not know its receiver.")


def test_nothing_is_written_below_the_level(lines: Lines, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="signals_app.deliveries"):
        assert [facts(one, "event") for one in lines(enqueue(receivers.nothing))] == [("succeeded",)]
