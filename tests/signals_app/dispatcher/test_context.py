"""What a project captures at a send holds again in the worker, for the receiver and for what is fetched for it."""

from __future__ import annotations

import re
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

from signals_app.dispatcher import QueuedReceiver, queued
from signals_app.exceptions import PayloadError, PayloadTooLarge
from signals_app.models import Delivery, State
from signals_app.testing import run_deliveries
from tests.signals_app.listeners import Make, first, listening
from tests.testapp.models import Thing
from tests.testapp.receivers import fails

pytestmark = pytest.mark.django_db

announced = Signal()


class Language:
    """The language of the request."""

    def capture(self) -> str:
        return translation.get_language() or "en"

    def restore(self, value: str) -> AbstractContextManager[object]:
        return translation.override(value)


class Given:
    """Captures whatever the test gives it, or raises it."""

    value: object = None
    seen: list[str] = []

    def capture(self) -> object:
        if isinstance(self.value, Exception):
            raise self.value
        return self.value

    @contextmanager
    def restore(self, value: Any) -> Iterator[None]:
        """Do as the value says, and note each statement in the block."""

        def note(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
            self.seen.append(sql)
            return execute(sql, *rest)

        if value == "no tenant":
            raise LookupError("There is no such tenant.")
        if value == "sleepless":
            time.sleep(30)
        try:
            with connection.execute_wrapper(note):
                yield
        except Exception:
            if value == "broken":
                raise RuntimeError("The tenant cannot be left.") from None
            if value != "careless":
                raise


both = pytest.mark.parametrize("is_atomic", [False, True], ids=["plain", "atomic"])


def using(context: type, **settings: object) -> AbstractContextManager[object]:
    return override_settings(SIGNALS_APP={"CONTEXT": f"{__name__}.{context.__name__}", **settings})


Run = Callable[..., Delivery]


@pytest.fixture
def send_and_run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Send with a captured value, run what waits, and return the one delivery."""

    def run(value: object, *receivers: QueuedReceiver) -> Delivery:
        monkeypatch.setattr(Given, "value", value)
        with using(Given), listening(announced, *receivers):
            announced.send(sender=None)
            run_deliveries()
        return Delivery.objects.get()

    return run


def message(delivery: Delivery) -> str:
    """Return how the one attempt of a delivery failed."""
    assert delivery.state == State.FAILED
    return delivery.failed_attempts.get().message


heard: list[str | None] = []


@queued
def speaks(sender: object, **kwargs: object) -> None:
    heard.append(translation.get_language())


@queued
async def speaks_later(sender: object, **kwargs: object) -> None:
    heard.append(translation.get_language())


@queued(atomic=True)
def speaks_at_its_commit(sender: object, **kwargs: object) -> None:
    transaction.on_commit(lambda: heard.append(translation.get_language()))
    transaction.on_commit(lambda: announced.send(sender="the commit"))


@queued(atomic=True, max_attempts=1)
def breaks_its_commit(sender: object, **kwargs: object) -> None:
    transaction.on_commit(lambda: None)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO signals_app_attempt (delivery_id, number, owner, finished_at, outcome, "
            "error_class, message, traceback) VALUES (-1, 1, '', '2026-01-01', 'ERROR', '', '', '')"
        )


@both
@pytest.mark.parametrize("immediate", [False, True], ids=["worker", "at once"])
@pytest.mark.parametrize("receiver", [speaks, speaks_later], ids=["function", "coroutine"])
def test_the_language_of_the_send_is_that_of_the_receiver(
    made: Make, is_atomic: bool, immediate: bool, receiver: QueuedReceiver
) -> None:
    heard.clear()
    with using(Language, IMMEDIATE=immediate), listening(announced, made(receiver.func, key="it", atomic=is_atomic)):
        with translation.override("de"):
            announced.send(sender=None)
        run_deliveries()
        assert translation.get_language() == "en"
    assert heard == ["de"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.database
def test_what_an_atomic_receiver_leaves_for_its_commit_has_the_context() -> None:
    heard.clear()
    with (
        using(Language),
        listening(announced, speaks_at_its_commit, sender="the request"),
        listening(announced, first, sender="the commit"),
    ):
        with translation.override("de"):
            announced.send(sender="the request")
        run_deliveries()
    assert heard == ["de"]
    outer, inner = Delivery.objects.order_by("pk")
    assert (inner.context, inner.depth, inner.sent_from) == ('"de"', 1, f"delivery #{outer.pk}")
    assert {outer.state, inner.state} == {State.SUCCESSFUL}


@both
def test_arguments_are_fetched_in_the_context_and_the_record_is_kept_outside(made: Make, is_atomic: bool) -> None:
    Given.seen.clear()
    thing = Thing.objects.create(name="lamp")
    with using(Given), listening(announced, made(first.func, key="atomic or not", atomic=is_atomic)):
        announced.send(sender=None, thing=thing)
        run_deliveries()
    assert Delivery.objects.get().state == State.SUCCESSFUL
    assert any("testapp_thing" in sql for sql in Given.seen)
    assert [sql for sql in Given.seen if "signals_app_" in sql] == []


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("no tenant", "There is no such tenant."),
        ("sleepless", "The receiver ran longer than its timeout of 0.2 s."),
    ],
)
def test_a_context_that_cannot_be_entered_in_time_fails_the_attempt(
    made: Make, send_and_run: Run, value: str, told: str
) -> None:
    once = made(first.func, key="once", timeout=0.2, max_attempts=1)
    assert message(send_and_run(value, once)) == told


@pytest.mark.django_db(transaction=True)
@both
@pytest.mark.parametrize("value", ["careless", "broken"])
def test_a_context_neither_swallows_the_receivers_error_nor_stands_in_for_it(
    made: Make, is_atomic: bool, value: str, send_and_run: Run
) -> None:
    failing = made(fails.func, key="failing", atomic=is_atomic, max_attempts=1)
    assert message(send_and_run(value, failing)) == "it went wrong at attempt 1"


@pytest.mark.django_db(transaction=True)
@pytest.mark.database
def test_a_commit_that_fails_is_no_success_whatever_the_context_does(send_and_run: Run) -> None:
    failed = send_and_run("careless", breaks_its_commit)
    assert "FOREIGN KEY" in message(failed).upper()


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


def test_a_delivery_without_a_context_runs_in_none() -> None:
    with listening(announced, first):
        announced.send(sender=None)
        with using(Given):
            run_deliveries()
    assert (Delivery.objects.get().state, Delivery.objects.get().context) == (State.SUCCESSFUL, "")


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
    value: object, error: type[Exception], told: str, send_and_run: Run
) -> None:
    with pytest.raises(error) as caught:
        send_and_run(value, first)
    assert told in str(caught.value)
    assert not Delivery.objects.exists()


def test_the_page_and_show_have_context_and_depth_with_secrets_masked(
    admin_client: Client, capsys: pytest.CaptureFixture[str], send_and_run: Run
) -> None:
    pk = send_and_run({"schema": "acme", "token": "s3cret"}, first).pk
    Delivery.objects.update(depth=7)
    call_command("deliveries", "show", str(pk))
    shown = capsys.readouterr().out
    page = unescape(admin_client.get(f"/admin/signals_app/delivery/{pk}/change/").content.decode())
    assert '{"schema": "acme", "token": "********"}' in shown
    assert '{"schema": "acme", "token": "********"}' in page
    assert re.search(r"^depth +7$", shown, re.MULTILINE)
    assert "7 deliveries deep" in page
    assert "s3cret" not in shown + page


@pytest.mark.parametrize("value", [None, "acme\0\ud800", {"schema": "acme", "language": "de", "ids": [1, 2.5, True]}])
def test_whatever_json_holds_can_be_captured(value: object, send_and_run: Run) -> None:
    assert send_and_run(value, first).state == State.SUCCESSFUL
