"""What the log says of each step of a delivery, and the fields that say the same."""

import logging
from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth import get_user_model
from django.test import override_settings

from signals_app import ledger
from signals_app.cluster.broker import DeliveryBroker
from signals_app.conf import conf
from signals_app.models import Delivery
from signals_app.worker import loop
from tests.signals_app.listeners import Doing
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


def assert_told(record: logging.LogRecord, level: str, event: str, text: str, **fields: object) -> None:
    """Assert that a line says a text, which may name its fields, and has these fields."""
    told = {name: getattr(record, name) for name in fields}
    assert (record.levelname, record.event, told) == (level, event, fields)  # type: ignore[attr-defined]
    assert text % vars(record) in record.getMessage()
    assert "\n" not in record.getMessage()


def test_a_success_is_told_from_enqueueing_to_end(lines: Lines, caplog: pytest.LogCaptureFixture) -> None:
    delivery = enqueue(receivers.nothing)
    enqueued, started, succeeded = lines(delivery)
    name = f"tests.testapp.receivers.nothing #{delivery.id}"
    facts = {"delivery": delivery.id, "emission": str(delivery.emission), "queue": "sigdemo"}
    facts |= {"receiver": receivers.nothing.key, "signal": "tests.testapp.signals.plain"}
    assert_told(enqueued, "DEBUG", "enqueued", f"{name} is enqueued in sigdemo", **facts)
    facts |= {"attempt": 1, "max_attempts": 5}
    assert_told(started, "DEBUG", "started", f"{name} starts after a wait of ", **facts)
    assert_told(succeeded, "INFO", "succeeded", f"{name} succeeded, ", **facts)
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="signals_app.deliveries"):
        assert len(lines(enqueue(receivers.nothing))) == 1, "nothing is written below the level"


def test_a_success_that_took_several_attempts_says_so(lines: Lines) -> None:
    delivery = enqueue(receivers.nothing)
    Delivery.objects.filter(pk=delivery.pk).update(attempts=2)
    *_, succeeded = lines(delivery)
    assert " succeeded at attempt 3 of 5, " in succeeded.getMessage()


def test_an_attempt_that_failed_is_told_with_what_becomes_of_it(lines: Lines) -> None:
    *_, failed = lines(enqueue(receivers.fails))
    text = ": ValueError: it went wrong at attempt 1; retrying in 200 ms"
    facts = {"state": "READY", "delay": 0.2, "outcome": "ERROR", "error": "builtins.ValueError"}
    assert_told(failed, "WARNING", "attempt_failed", text, **facts)
    assert "it went wrong at attempt 1" in logging.Formatter().format(failed)
    *_, failed = lines(enqueue(receivers.gives_up))
    assert_told(failed, "ERROR", "failed", "; marked as FAILED", state="FAILED")


def test_only_the_beginning_of_an_error_is_on_the_line_without_its_secrets(lines: Lines, doing: Doing) -> None:
    def refuse(**arguments: object) -> None:
        raise OSError(f"100%s refused password='hunter2' {'x' * 500}\nsecond line")

    *_, failed = lines(doing(receivers.work, refuse))
    beginning = f"OSError: 100%s refused password=******** {'x' * 500}"[: len("OSError: ") + 200]
    assert f": {beginning}; retrying in " in failed.getMessage()


def test_a_lost_attempt_is_told_by_the_pusher_that_gives_it_back(
    lines: Lines, caplog: pytest.LogCaptureFixture
) -> None:
    delivery = enqueue(receivers.nothing)
    ledger.claim(conf.queue, owner="vm/boot/12/34", limit=1, lease=0)
    DeliveryBroker(list_key=conf.queue)._recover_lost()
    facts = {"delivery": delivery.id, "state": "READY", "outcome": "LOST", "error": "LeaseExpired"}
    text = " was lost at attempt 1 of 5, "
    assert_told(caplog.records[-1], "WARNING", "lost", text, **facts)


def test_a_delivery_that_is_skipped_is_told_with_the_reason(lines: Lines) -> None:
    user = get_user_model().objects.create_user("ada")
    with override_settings(SIGNALS_APP={"MISSING": "skip"}):
        delivery = enqueue(receivers.work, user=user)
        user.delete()
        *_, skipped = lines(delivery)
    assert_told(skipped, "INFO", "cancelled", " is CANCELLED, ", attempt=1)
    assert "auth.User" in skipped.getMessage()


def test_what_is_merged_is_told_once_by_the_one_that_runs(lines: Lines) -> None:
    first, _, last = (enqueue(receivers.nothing) for _ in range(3))
    Delivery.objects.update(coalesce_key="lamp")
    *_, merged, started, succeeded = lines(first)
    text = " runs in the place of %(merged)d merged into it"
    assert_told(merged, "INFO", "merged", text, merged=2, delivery=last.id)
    assert_told(started, "DEBUG", "started", " starts after a wait of ", delivery=last.id)
    assert_told(succeeded, "INFO", "succeeded", " succeeded, ", delivery=last.id)


def test_what_is_merged_into_one_that_waits_for_quiet_is_told(lines: Lines) -> None:
    first, last = enqueue(receivers.delayed_work), enqueue(receivers.delayed_work)
    Delivery.objects.update(coalesce_key="lamp")
    ledger.run_now([first.id])
    with override_settings(SIGNALS_APP={"DEBOUNCE": 9}):
        *_, merged = lines(first)
    text = " is one of %(merged)d merged into a newer one"
    assert_told(merged, "INFO", "merged", text, merged=1, delivery=first.id)
    last.refresh_from_db()
    assert (last.state, last.attempts) == ("READY", 0)


def test_a_result_that_comes_after_a_takeover_is_told(lines: Lines, doing: Doing) -> None:
    *_, stale = lines(doing(receivers.work, lambda **arguments: Delivery.objects.update(token=99)))
    assert_told(stale, "WARNING", "stale", " was cancelled or taken over, and this attempt does not count, ", attempt=1)


def test_a_receiver_nobody_knows_is_told(lines: Lines) -> None:
    delivery = enqueue(receivers.nothing)
    Delivery.objects.filter(pk=delivery.pk).update(receiver="gone.receiver")
    *_, told = lines(delivery)
    text = " waits: this worker does not know its receiver"
    assert_told(told, "WARNING", "unroutable", text, receiver="gone.receiver")
