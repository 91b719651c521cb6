"""What is kept of an error, and that nobody who hears of it ends a worker."""

from __future__ import annotations

import logging
import uuid
from typing import Any

import pytest
from django.dispatch import Signal
from django.views.debug import ExceptionReporter
from django.views.decorators.debug import sensitive_variables

from signals_app import signals
from signals_app.dispatcher import QueuedReceiver
from signals_app.ledger import ClaimedDelivery, Failure
from signals_app.models import Outcome, State
from signals_app.redaction.logs import LONGEST as LONGEST_TRACEBACK
from signals_app.worker import loop
from signals_app.worker.failures import LONGEST_MESSAGE, classify
from tests.signals_app.listeners import Doing, Make, listening, run
from tests.testapp import receivers
from tests.testapp.receivers import enqueue

SECRET = "hunter2"
TEXTS: Any = dict.fromkeys(("signal", "receiver", "queue", "payload", "owner"), "")
CLAIMED = ClaimedDelivery(id=1, emission=uuid.uuid4(), attempt=1, max_attempts=5, losses=0, token=1, **TEXTS)


def end_of(error: BaseException) -> Failure:
    """Return what is kept of an error that was raised."""
    try:
        raise error
    except BaseException as raised:
        return classify(raised, CLAIMED, receivers.fails, ran=1)


# Secrets


def test_secrets_are_masked_in_message_and_traceback() -> None:
    error = ExceptionGroup(f"at https://ada:{SECRET}@example.org/", [KeyError("name"), ValueError(f"token={SECRET}")])
    error.__cause__ = ConnectionError(f"Authorization: Bearer {SECRET}")
    error.add_note(f"api_key: {SECRET}")
    end = end_of(error)
    assert end.message == "at https://ada:********@example.org/ (2 sub-exceptions)"
    assert SECRET not in end.traceback
    for text in ("Authorization: ********", "token=********", "api_key: ********", "KeyError: 'name'"):
        assert text in end.traceback


@pytest.mark.parametrize("place", range(-14, 2))
def test_a_text_is_masked_before_it_is_cut(place: int) -> None:
    url = "amqp://ada:hunter2/hunter2@queue"
    before = "x" * (LONGEST_MESSAGE + place - len("amqp://ada:")) + " "
    end = end_of(ValueError(f"{before}{url} {'y' * LONGEST_TRACEBACK}"))
    assert len(end.message) <= LONGEST_MESSAGE
    assert "hunt" not in end.message
    behind = "y" * (LONGEST_TRACEBACK + place - len("@queue\n")) + "\n"
    assert "ter2" not in end_of(ValueError(f"{url} {behind}")).traceback


@pytest.mark.parametrize("size", [19_980, 19_985, 19_990, 19_995, 20_000])
def test_half_a_secret_where_reading_ends_is_not_kept(size: int) -> None:
    masked = f"password='{'z' * (size - 40)}' "
    message = f"{masked}amqp://ada:{SECRET * 20}@queue {'y' * LONGEST_TRACEBACK}"
    assert "hunt" not in end_of(ValueError(message)).message
    key = "\n".join(["-----BEGIN PRIVATE KEY-----", *["hunter2" * 9] * 4_000, "-----END PRIVATE KEY-----"])
    assert "hunt" not in end_of(ValueError(key)).traceback


@sensitive_variables("card")
def charges_a_card(sender: object, **kwargs: Any) -> None:
    """Fail with a secret in a variable."""
    card = "4111" + "-1111"
    raise ValueError(f"declined, {len(card)} digits")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("receiver", "arguments"),
    [(receivers.fails, {}), (receivers.async_atomic_work, {"fail": True}), (receivers.sleeps, {})],
)
def test_a_traceback_begins_at_the_receiver(receiver: QueuedReceiver, arguments: dict[str, Any]) -> None:
    delivery = enqueue(receiver, **arguments)
    loop.drain(delivery.queue)
    first = delivery.failed_attempts.get().traceback.splitlines()[1]
    assert first.startswith(f'  File "{receivers.__file__}", line ')
    assert first.endswith(f", in {receiver.func.__name__}")


@pytest.mark.django_db(transaction=True)
def test_values_of_variables_are_kept_from_the_record_and_from_reports(made: Make) -> None:
    reports: list[str] = []

    def report(exception: BaseException, **kwargs: object) -> None:
        reporter = ExceptionReporter(None, type(exception), exception, exception.__traceback__)
        reports.append(reporter.get_traceback_html())

    with listening(signals.delivery_attempt_failed, report):
        kept = run(enqueue(made(charges_a_card))).failed_attempts.get()
    assert kept.message == "declined, 9 digits"
    assert 'raise ValueError(f"declined' in kept.traceback
    assert "<td>card</td>" in reports[0]
    assert "4111-1111" not in kept.traceback + reports[0]


# Odd errors


class SaysNoClass(type):
    """Of a class that does not even say its name."""

    def __getattribute__(cls, name: str) -> Any:
        if name in ("__qualname__", "__module__"):
            raise SystemExit
        return super().__getattribute__(name)


class Exits(Exception):
    def __str__(self) -> str:
        raise SystemExit(3)

    __repr__ = __str__


class IsNobody(Exception):
    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise SystemExit

    @property
    def __notes__(self) -> Any:  # type: ignore[override]
        raise SystemExit


class Nameless(Exception, metaclass=SaysNoClass):
    pass


class Words(str):
    __slots__ = ()

    def __getitem__(self, key: object) -> str:
        raise SystemExit

    __len__ = replace = encode = __getitem__  # type: ignore[assignment]


class SaysWords(Exception):
    def __str__(self) -> str:
        return Words("of a class of its own")


def with_more(error: BaseException, *, notes: int = 0, cause: BaseException | None = None) -> BaseException:
    """Return an error with many notes, or with a cause."""
    for _ in range(notes):
        error.add_note("x" * 50)
    error.__cause__ = cause
    return error


NUL = type("N", (Exception,), {"__module__": "m\0", "__qualname__": "a\0b\ud800"})
ODD = {
    "wordless": (MemoryError(), "builtins.MemoryError", "(a MemoryError without a message)"),
    "of a long name": (type("E" * 5_000, (Exception,), {})("who"), f"{__name__}.{'E' * 5_000}"[:255], "who"),
    "exits": (Exits(), f"{__name__}.Exits", "(a Exits that cannot be printed)"),
    "is nobody": (IsNobody("who"), f"{__name__}.IsNobody", "who"),
    "nameless": (Nameless("who"), "(no module).(class without a name)", "who"),
    "words": (SaysWords(), f"{__name__}.SaysWords", "of a class of its own"),
    "no module": (type("Stray", (Exception,), {"__module__": None})("who"), "None.Stray", "who"),
    "NUL": (NUL("\0"), "m\ufffd.a\ufffdb?", "\ufffd"),
    "caused": (with_more(ValueError("the effect"), cause=Exits()), "builtins.ValueError", "the effect"),
    "grouped": (ExceptionGroup("all", [Exits()] * 5_000), "builtins.ExceptionGroup", "all (5000 sub-exceptions)"),
    "noted": (with_more(ValueError("who"), notes=50_000), "builtins.ValueError", "who"),
    "huge": (ValueError("word " * 2_000_000), "builtins.ValueError", ("word " * 400)),
}


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("odd", ODD)
def test_an_error_that_is_odd_itself_is_recorded_as_any_other(
    doing: Doing, caplog: pytest.LogCaptureFixture, odd: str
) -> None:
    error, name, message = ODD[odd]
    delivery = doing(receivers.nothing, lambda **kwargs: (_ for _ in ()).throw(error))
    assert loop.drain(delivery.queue) == 1
    kept = delivery.failed_attempts.get()
    assert (kept.outcome, kept.error_class, kept.message) == (Outcome.ERROR, name, message)
    assert len(kept.traceback) <= LONGEST_TRACEBACK
    assert name.removeprefix("builtins.") in "".join(record.getMessage() for record in caplog.records).replace(
        r"\x00", "\ufffd"
    )
    assert len(caplog.text) < 2 * LONGEST_TRACEBACK


# Odd listeners


class Exit(BaseException):
    """No Exception, as SystemExit is none."""


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "signal", [signals.delivery_started, signals.delivery_attempt_failed, signals.delivery_succeeded]
)
def test_a_listener_that_exits_ends_no_worker(signal: Signal, caplog: pytest.LogCaptureFixture) -> None:
    def listens(**kwargs: object) -> None:
        raise Exit("of a listener")

    deliveries = [enqueue(receivers.fails), enqueue(receivers.work)]
    with listening(signal, listens):
        assert loop.drain(deliveries[0].queue) == 2
    for delivery in deliveries:
        delivery.refresh_from_db()
    assert [one.state for one in deliveries] == [State.READY, State.SUCCESSFUL]
    assert "What listens to deliveries ended with Exit." in caplog.text


@pytest.mark.django_db(transaction=True)
def test_a_listener_that_raises_keeps_no_other_from_hearing(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[int] = []

    def faulty(**kwargs: object) -> None:
        raise RuntimeError("the listener is broken")

    def hears(delivery: Any, **kwargs: object) -> None:
        heard.append(delivery.id)

    with listening(signals.delivery_succeeded, faulty, hears), caplog.at_level(logging.ERROR):
        delivery = run(enqueue(receivers.work))
    assert heard == [delivery.id]
    assert "the listener is broken" in caplog.text
