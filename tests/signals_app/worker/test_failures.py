"""What is kept of an error."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.dispatch import Signal
from django.views.debug import ExceptionReporter
from django.views.decorators.debug import sensitive_variables

from signals_app import signals
from signals_app.dispatcher import QueuedReceiver
from signals_app.ledger import ClaimedDelivery, Failure
from signals_app.models import Attempt, Outcome, State
from signals_app.redaction.logs import LONGEST as LONGEST_TRACEBACK
from signals_app.worker import loop
from signals_app.worker.failures import LONGEST_MESSAGE, classify
from tests.testapp import receivers
from tests.testapp.receivers import enqueue

SECRET = "hunter2"
FORGED = "2026-11-23 12:00:00 CRITICAL signals_app.worker [1] everything is lost"
CLAIMED = ClaimedDelivery(
    id=1,
    emission=uuid.uuid4(),
    signal="",
    receiver="",
    queue="",
    payload="",
    attempt=1,
    max_attempts=5,
    losses=0,
    token=1,
    owner="",
)


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


class Interrupts(Exception):
    def __str__(self) -> str:
        raise KeyboardInterrupt


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


def noted(error: BaseException, note: str, times: int) -> BaseException:
    """Return an error with many notes."""
    for _ in range(times):
        error.add_note(note)
    return error


def caused_by(cause: BaseException) -> Exception:
    """Return an error with a cause."""
    error = ValueError("the effect")
    error.__cause__ = cause
    return error


ODD = {
    "wordless": (MemoryError(), "builtins.MemoryError", "(a MemoryError without a message)"),
    "of a long name": (type("E" * 5_000, (Exception,), {})("who"), f"{__name__}.{'E' * 5_000}"[:255], "who"),
    "exits": (Exits(), f"{__name__}.Exits", "(a Exits that cannot be printed)"),
    "interrupts": (Interrupts(), f"{__name__}.Interrupts", "(a Interrupts that cannot be printed)"),
    "is nobody": (IsNobody("who"), f"{__name__}.IsNobody", "who"),
    "nameless": (Nameless("who"), "(no module).(class without a name)", "who"),
    "words": (SaysWords(), f"{__name__}.SaysWords", "of a class of its own"),
    "no module": (type("Stray", (Exception,), {"__module__": None})("who"), "None.Stray", "who"),
    "NUL": (
        type("N", (Exception,), {"__module__": "m\0", "__qualname__": "a\0b\ud800"})("\0"),
        "m\ufffd.a\ufffdb?",
        "\ufffd",
    ),
    "caused": (caused_by(Exits()), "builtins.ValueError", "the effect"),
    "grouped": (ExceptionGroup("all", [Exits()] * 5_000), "builtins.ExceptionGroup", "all (5000 sub-exceptions)"),
    "noted": (noted(ValueError("who"), "x" * 50, 50_000), "builtins.ValueError", "who"),
}


def end_of(error: BaseException) -> Failure:
    """Return what is kept of an error that was raised."""
    try:
        raise error
    except BaseException as raised:
        return classify(raised, CLAIMED, receivers.fails, ran=1)


@sensitive_variables("card")
def charges_a_card(sender: object, **kwargs: Any) -> None:
    """Fail with a secret in a variable."""
    card = "4111" + "-1111"
    raise ValueError(f"declined, {len(card)} digits")


def raises_as_told(sender: object, text: str = "", **kwargs: Any) -> None:
    """Fail with the words of a user."""
    raise ValueError(text)


def test_secrets_are_masked_in_message_and_traceback() -> None:
    end = end_of(ValueError(f"login(password='{SECRET}') at https://ada:{SECRET}@example.org/"))
    assert end.message == "login(password=********) at https://ada:********@example.org/"
    assert end.traceback.endswith("ValueError: login(password=********) at https://ada:********@example.org/\n")


def test_secrets_of_causes_notes_and_groups_are_masked() -> None:
    cause = ConnectionError(f"Authorization: Bearer {SECRET}")
    error = ExceptionGroup("all failed", [KeyError("name"), ValueError(f"token={SECRET}")])
    error.__cause__ = cause
    error.add_note(f"api_key: {SECRET}")
    end = end_of(error)
    assert SECRET not in end.traceback
    assert "Authorization: ********" in end.traceback
    assert "token=********" in end.traceback
    assert "api_key: ********" in end.traceback
    assert "KeyError: 'name'" in end.traceback


def test_a_long_message_is_cut_behind_its_secrets() -> None:
    end = end_of(ValueError("x" * (LONGEST_MESSAGE - 15) + f" password={SECRET * 1_000} rest"))
    assert len(end.message) == LONGEST_MESSAGE
    assert SECRET[:2] not in end.message
    assert len(end.traceback) <= LONGEST_TRACEBACK


@pytest.mark.parametrize("place", range(-14, 2))
def test_a_text_is_masked_before_it_is_cut(place: int) -> None:
    url = "amqp://ada:hunter2/hunter2@queue"
    before = "x" * (LONGEST_MESSAGE + place - len("amqp://ada:")) + " "
    end = end_of(ValueError(f"{before}{url} {'y' * LONGEST_TRACEBACK}"))
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


@pytest.mark.django_db(transaction=True)
def test_a_traceback_has_no_values_of_variables(made: Callable[..., QueuedReceiver]) -> None:
    delivery = enqueue(made(charges_a_card))
    loop.drain(delivery.queue)
    kept = delivery.failed_attempts.get()
    assert kept.message == "declined, 9 digits"
    assert 'raise ValueError(f"declined' in kept.traceback
    assert "4111-1111" not in kept.traceback


@pytest.mark.django_db(transaction=True)
def test_a_listener_that_reports_the_variables_is_told_which_are_sensitive(made: Callable[..., QueuedReceiver]) -> None:
    reports: list[str] = []

    def report(exception: BaseException, **kwargs: object) -> None:
        reporter = ExceptionReporter(None, type(exception), exception, exception.__traceback__)
        reports.append(reporter.get_traceback_html())

    signals.delivery_attempt_failed.connect(report)
    try:
        loop.drain(enqueue(made(charges_a_card)).queue)
    finally:
        signals.delivery_attempt_failed.disconnect(report)
    (html,) = reports
    assert "<td>card</td>" in html
    assert "4111-1111" not in html


@pytest.mark.django_db(transaction=True)
def test_the_words_of_a_user_forge_no_record_in_the_log(
    made: Callable[..., QueuedReceiver], caplog: pytest.LogCaptureFixture
) -> None:
    text = f"no luck\n{FORGED}\r{FORGED}\u2028{FORGED}\x1b[2J"
    with caplog.at_level(logging.WARNING, logger="signals_app"):
        loop.drain(enqueue(made(raises_as_told), text=text).queue)
    assert text.splitlines()[0] in caplog.text
    assert [line for line in caplog.text.splitlines() if line.startswith(FORGED[:10])] == []
    assert "\x1b" not in caplog.text
    assert Attempt.objects.get().message == text  # the record has it as it is; pages escape it


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("odd", ODD)
def test_an_error_that_is_odd_itself_is_recorded_as_any_other(
    made: Callable[..., QueuedReceiver], caplog: pytest.LogCaptureFixture, odd: str
) -> None:
    error, name, message = ODD[odd]
    receiver = made(raises_as_told)
    object.__setattr__(receiver, "func", lambda **kwargs: (_ for _ in ()).throw(error))
    delivery = enqueue(receiver)
    assert loop.drain(delivery.queue) == 1
    kept = delivery.failed_attempts.get()
    assert (kept.outcome, kept.error_class, kept.message) == (Outcome.ERROR, name, message)
    assert len(kept.traceback) <= LONGEST_TRACEBACK
    assert name in "".join(record.getMessage() for record in caplog.records).replace(r"\x00", "\ufffd")


@pytest.mark.django_db(transaction=True)
def test_a_huge_error_is_bounded_in_the_log(
    made: Callable[..., QueuedReceiver], caplog: pytest.LogCaptureFixture
) -> None:
    receiver = made(raises_as_told)
    object.__setattr__(receiver, "func", lambda **kwargs: (_ for _ in ()).throw(ValueError("word " * 2_000_000)))
    loop.drain(enqueue(receiver).queue)
    assert 0 < len(caplog.text) < 2 * LONGEST_TRACEBACK


class Exit(BaseException):
    """No Exception, as SystemExit is none."""


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "signal", [signals.delivery_started, signals.delivery_attempt_failed, signals.delivery_succeeded]
)
def test_a_listener_that_exits_ends_no_worker(signal: Signal, caplog: pytest.LogCaptureFixture) -> None:
    def listens(**kwargs: object) -> None:
        raise Exit("of a listener")

    signal.connect(listens)
    try:
        deliveries = [enqueue(receivers.fails), enqueue(receivers.work)]
        assert loop.drain(deliveries[0].queue) == 2
    finally:
        signal.disconnect(listens)
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

    signals.delivery_succeeded.connect(faulty)
    signals.delivery_succeeded.connect(hears)
    try:
        delivery = enqueue(receivers.work)
        loop.drain(delivery.queue)
    finally:
        signals.delivery_succeeded.disconnect(faulty)
        signals.delivery_succeeded.disconnect(hears)
    assert heard == [delivery.id]
    assert "the listener is broken" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_a_backoff_that_exits_is_replaced_by_the_default_one(made: Callable[..., QueuedReceiver]) -> None:
    def leaves(attempt: int) -> float:
        raise SystemExit

    delivery = enqueue(made(raises_as_told, backoff=leaves, max_attempts=2), text="who")
    loop.drain(delivery.queue)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.failed_attempts.get().message) == (State.READY, "who")
