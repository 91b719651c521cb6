"""What a project captures at a send holds again in the worker, for the receiver and for what is fetched for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from html import unescape
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.dispatch import Signal
from django.test import Client, override_settings
from django.utils import translation

from signals_app.console.operations import RETRY, Operator, perform
from signals_app.dispatcher import QueuedReceiver
from signals_app.exceptions import PayloadError, PayloadTooLarge
from signals_app.models import Delivery, State
from signals_app.testing import run_deliveries
from tests.signals_app.listeners import first, listening
from tests.testapp.models import Thing
from tests.testapp.receivers import fails

announced = Signal()


class Language:
    """The language of the request."""

    def capture(self) -> str:
        """Return the language at the send."""
        return translation.get_language() or "en"

    def restore(self, value: str) -> AbstractContextManager[object]:
        """Return the block that has it again."""
        return translation.override(value)


class Statements:
    """Notes what is asked of the database in its block."""

    seen: list[str] = []

    def capture(self) -> None:
        """Remember nothing."""

    @contextmanager
    def restore(self, value: None) -> Iterator[None]:
        """Note each statement."""

        def note(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
            self.seen.append(sql)
            return execute(sql, *rest)

        with connection.execute_wrapper(note):
            yield


class Given:
    """Captures whatever the test gives it, or raises it."""

    value: object = None

    def capture(self) -> object:
        """Return what was given."""
        if isinstance(self.value, Exception):
            raise self.value
        return self.value

    @contextmanager
    def restore(self, value: Any) -> Iterator[None]:
        """Do as the value says."""
        if value == "no tenant":
            raise LookupError("There is no such tenant.")
        if value == "sleepless":
            time.sleep(30)
        try:
            yield
        except Exception:
            if value == "broken":
                raise RuntimeError("The tenant cannot be left.") from None
            if value != "careless":
                raise


Make = Callable[..., QueuedReceiver]
both = pytest.mark.parametrize("is_atomic", [False, True], ids=["plain", "atomic"])


def using(context: type, **settings: object) -> AbstractContextManager[object]:
    return override_settings(SIGNALS_APP={"CONTEXT": f"{__name__}.{context.__name__}", **settings})


def send_and_run(value: object, *receivers: QueuedReceiver, monkeypatch: pytest.MonkeyPatch) -> Delivery:
    """Send with a captured value, run what waits, and return the one delivery."""
    monkeypatch.setattr(Given, "value", value)
    with using(Given), listening(announced, *receivers):
        announced.send(sender=None)
        run_deliveries()
    return Delivery.objects.get()


def message(delivery: Delivery) -> str:
    """Return how the one attempt of a delivery failed."""
    assert delivery.state == State.FAILED
    return delivery.failed_attempts.get().message


@pytest.fixture
def speak(made: Make) -> tuple[Make, list[str | None]]:
    """A way to make a receiver, of either colour, that notes the language it runs in; and what it noted."""
    heard: list[str | None] = []

    def make(*, is_async: bool = False, **options: Any) -> QueuedReceiver:
        def speak(sender: object, **kwargs: object) -> None:
            heard.append(translation.get_language())

        async def speak_async(sender: object, **kwargs: object) -> None:
            speak(sender)

        func = speak_async if is_async else speak
        func.__qualname__ = "speak"
        return made(func, **options)

    return make, heard


@pytest.mark.django_db
@both
@pytest.mark.parametrize("immediate", [False, True], ids=["worker", "at once"])
@pytest.mark.parametrize("is_async", [False, True], ids=["function", "coroutine"])
def test_the_language_of_the_send_is_that_of_the_receiver(
    speak: tuple[Make, list[str | None]], is_atomic: bool, immediate: bool, is_async: bool
) -> None:
    make, heard = speak
    with using(Language, IMMEDIATE=immediate), listening(announced, make(is_async=is_async, atomic=is_atomic)):
        with translation.override("de"):
            announced.send(sender=None)
        run_deliveries()
        assert translation.get_language() == "en"

    assert heard == ["de"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.database
def test_what_an_atomic_receiver_leaves_for_its_commit_has_the_context(made: Make) -> None:
    heard: list[str | None] = []

    def speak(sender: object, **kwargs: object) -> None:
        transaction.on_commit(lambda: heard.append(translation.get_language()))
        transaction.on_commit(lambda: announced.send(sender="the commit"))

    speak.__qualname__ = "speak"
    with (
        using(Language),
        listening(announced, made(speak, atomic=True), sender="the request"),
        listening(announced, first, sender="the commit"),
    ):
        with translation.override("de"):
            announced.send(sender="the request")
        run_deliveries()

    assert heard == ["de"]
    outer, inner = Delivery.objects.order_by("pk")
    assert (inner.context, inner.depth, inner.sent_from) == ('"de"', 1, f"delivery #{outer.pk}")
    assert {outer.state, inner.state} == {State.SUCCESSFUL}


@pytest.mark.django_db
@both
def test_arguments_are_fetched_in_the_context_and_the_record_is_kept_outside(made: Make, is_atomic: bool) -> None:
    Statements.seen.clear()
    thing = Thing.objects.create(name="lamp")
    with using(Statements), listening(announced, made(first.func, key="atomic or not", atomic=is_atomic)):
        announced.send(sender=None, thing=thing)
        run_deliveries()

    assert Delivery.objects.get().state == State.SUCCESSFUL
    assert any("testapp_thing" in sql for sql in Statements.seen)
    assert [sql for sql in Statements.seen if "signals_app_" in sql] == []


@pytest.mark.django_db
def test_the_context_stays_with_the_delivery_when_it_is_retried(made: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    once = made(first.func, key="once", max_attempts=1)
    delivery = send_and_run("no tenant", once, monkeypatch=monkeypatch)
    assert message(delivery) == "There is no such tenant."
    perform(RETRY, [delivery.pk], by=Operator(name="grace"))
    delivery.refresh_from_db()

    assert (delivery.state, delivery.context) == (State.READY, '"no tenant"')


@pytest.mark.django_db
def test_entering_the_context_counts_for_the_timeout(made: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = made(first.func, key="slow", timeout=0.2, max_attempts=1)

    assert message(send_and_run("sleepless", slow, monkeypatch=monkeypatch)) == (
        "The receiver ran longer than its timeout of 0.2 s."
    )


@pytest.mark.django_db(transaction=True)
@both
@pytest.mark.parametrize("value", ["careless", "broken"])
def test_a_context_neither_swallows_the_receivers_error_nor_stands_in_for_it(
    made: Make, is_atomic: bool, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = made(fails.func, key="failing", atomic=is_atomic, max_attempts=1)

    assert message(send_and_run(value, failing, monkeypatch=monkeypatch)) == "it went wrong at attempt 1"


@pytest.mark.django_db(transaction=True)
@pytest.mark.database
def test_a_commit_that_fails_is_no_success_whatever_the_context_does(
    made: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(sender: object, **kwargs: object) -> None:
        transaction.on_commit(lambda: None)
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO signals_app_attempt (delivery_id, number, owner, finished_at, outcome, "
                "error_class, message, traceback) VALUES (-1, 1, '', '2026-01-01', 'ERROR', '', '', '')"
            )

    refuse.__qualname__ = "refuse"
    failing = made(refuse, atomic=True, max_attempts=1)

    assert "FOREIGN KEY" in message(send_and_run("careless", failing, monkeypatch=monkeypatch)).upper()


@pytest.mark.django_db
def test_a_worker_that_knows_no_context_does_not_run_what_has_one() -> None:
    with listening(announced, first):
        with using(Language):
            announced.send(sender=None)
        Delivery.objects.update(max_attempts=1)
        run_deliveries()

    assert message(Delivery.objects.get()) == (
        'This delivery was sent in a context, and SIGNALS_APP["CONTEXT"] names none here. '
        "Give the cluster the settings of the sender, and retry."
    )


@pytest.mark.django_db
def test_a_delivery_without_a_context_runs_in_none() -> None:
    with listening(announced, first):
        announced.send(sender=None)
        with using(Given):
            run_deliveries()

    assert (Delivery.objects.get().state, Delivery.objects.get().context) == (State.SUCCESSFUL, "")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("value", "error", "told"),
    [
        (LookupError("Who asks?"), LookupError, "Who asks?"),
        (object(), PayloadError, "returned a object that JSON does not give back as it is. Return None, bool, int,"),
        ({"tenant": (1, 2)}, PayloadError, "returned a dict that JSON does not give back"),
        ({1: "acme"}, PayloadError, "returned a dict that JSON does not give back"),
        (float("nan"), PayloadError, "returned a float that JSON does not give back"),
        ("x" * 70_000, PayloadTooLarge, 'returned 70,002 bytes of JSON and SIGNALS_APP["MAX_PAYLOAD"] allows 65,536.'),
    ],
    ids=["raises", "object", "tuple", "keys", "nan", "large"],
)
def test_what_cannot_be_captured_is_told_at_the_send(
    value: object, error: type[Exception], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(error) as caught:
        send_and_run(value, first, monkeypatch=monkeypatch)

    assert told in str(caught.value)
    assert not Delivery.objects.exists()


@pytest.mark.django_db
def test_the_page_and_show_have_context_and_depth_with_secrets_masked(
    admin_client: Client, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pk = send_and_run({"schema": "acme", "token": "s3cret"}, first, monkeypatch=monkeypatch).pk
    Delivery.objects.update(depth=7)

    call_command("deliveries", "show", str(pk))
    shown = capsys.readouterr().out
    page = unescape(admin_client.get(f"/admin/signals_app/delivery/{pk}/change/").content.decode())
    assert '{"schema": "acme", "token": "********"}' in shown
    assert '{"schema": "acme", "token": "********"}' in page
    assert "depth         7\n" in shown
    assert "7 deliveries deep" in page
    assert "s3cret" not in shown + page


@pytest.mark.django_db
@pytest.mark.parametrize("value", [None, "acme\0\ud800", {"schema": "acme", "language": "de", "ids": [1, 2.5, True]}])
def test_whatever_json_holds_can_be_captured(value: object, monkeypatch: pytest.MonkeyPatch) -> None:
    assert send_and_run(value, first, monkeypatch=monkeypatch).state == State.SUCCESSFUL
