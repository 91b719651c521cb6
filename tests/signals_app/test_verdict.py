"""What is kept of an error."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.views.debug import ExceptionReporter
from django.views.decorators.debug import sensitive_variables

from signals_app import signals, worker
from signals_app.dispatcher import QueuedReceiver
from signals_app.ledger import BadEnd, ClaimedDelivery
from signals_app.logs import LONGEST as LONGEST_TRACEBACK
from signals_app.models import Attempt, Delivery, Outcome
from signals_app.verdict import LONGEST_MESSAGE, judge
from tests.testapp import receivers
from tests.testapp.receivers import hand_off

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


def end_of(error: BaseException) -> BadEnd:
    """Return what is kept of an error that was raised."""
    try:
        raise error
    except BaseException as raised:
        return judge(raised, CLAIMED, receivers.fails, ran=1)


@sensitive_variables("card")
def charges_a_card(sender: object, **kwargs: Any) -> None:
    """Fail with a secret in a variable."""
    card = "4111" + "-1111"
    raise ValueError(f"declined, {len(card)} digits")


def raises_as_told(sender: object, text: str, **kwargs: Any) -> None:
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


def test_a_huge_message_is_kept_in_its_bounds() -> None:
    end = end_of(ValueError("word " * 2_000_000))
    assert (len(end.message), len(end.traceback)) == (LONGEST_MESSAGE, LONGEST_TRACEBACK)


@pytest.mark.django_db(transaction=True)
def test_a_traceback_has_no_values_of_variables(made: Callable[..., QueuedReceiver]) -> None:
    delivery = hand_off(made(charges_a_card))
    worker.drain(delivery.queue)
    kept = delivery.bad_ends.get()
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
        worker.drain(hand_off(made(charges_a_card)).queue)
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
        worker.drain(hand_off(made(raises_as_told), text=text).queue)
    assert text.splitlines()[0] in caplog.text
    assert [line for line in caplog.text.splitlines() if line.startswith(FORGED[:10])] == []
    assert "\x1b" not in caplog.text
    assert Attempt.objects.get().message == text  # the record has it as it is; pages escape it


@pytest.mark.django_db(transaction=True)
def test_the_error_class_of_any_length_is_kept(made: Callable[..., QueuedReceiver]) -> None:
    error = type("E" * 5_000, (Exception,), {})
    receiver = made(raises_as_told)
    object.__setattr__(receiver, "func", lambda **kwargs: (_ for _ in ()).throw(error("long")))
    worker.drain(hand_off(receiver).queue)
    kept = Delivery.objects.get().bad_ends.get()
    assert (len(kept.error_class), kept.message, kept.outcome) == (255, "long", Outcome.ERROR)
