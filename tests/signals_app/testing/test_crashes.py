"""Receivers whose worker dies everywhere: what doubles, vanishes and changes, and what does not."""

import inspect
from collections.abc import Callable
from typing import Any
from urllib.request import Request, urlopen
from uuid import uuid4

import pytest
from django.core import mail
from django.db import IntegrityError, connections, transaction
from django.db.models import F
from django.test import override_settings

from signals_app import events
from signals_app.backoff import fixed
from signals_app.dispatcher import QueuedReceiver, current_delivery
from signals_app.exceptions import Defer
from signals_app.models import Delivery, Tally
from signals_app.testing import crash_everywhere
from tests.receivers.warehouse_server import warehouse_server
from tests.signals_app.listeners import Make
from tests.testapp.models import Effect, Thing
from tests.testapp.signals import plain

pytestmark = pytest.mark.django_db(databases=["default", "other"])

CHARGE = f"{__name__}.gateway.charge"
ACHARGE = f"{__name__}.gateway.acharge"


class Gateway:
    """A service that takes money."""

    def charge(self, amount: int, *, idempotency_key: str = "") -> str:
        return f"{amount} taken"

    async def acharge(self, amount: int) -> None:
        """Take it a little later."""


gateway = Gateway()


def charges_and_saves(sender: object, **kwargs: Any) -> None:
    gateway.charge(10)
    Thing.objects.create(name="paid")


def charges_by_key_and_saves(sender: object, **kwargs: Any) -> None:
    gateway.charge(10, idempotency_key=current_delivery().idempotency_key)
    Thing.objects.create(name="paid")


def charges_by_a_new_key(sender: object, **kwargs: Any) -> None:
    gateway.charge(10, idempotency_key=str(uuid4()))


async def charges_and_saves_async(sender: object, **kwargs: Any) -> None:
    await gateway.acharge(10)
    await Thing.objects.acreate(name="paid")


def saves(sender: object, **kwargs: Any) -> None:
    Thing.objects.create(name="new")


def saves_elsewhere(sender: object, **kwargs: Any) -> None:
    Thing.objects.using("other").create(name="new")


def saves_once(sender: object, **kwargs: Any) -> None:
    effect, _ = Effect.objects.get_or_create(label="once")
    effect.attempt = current_delivery().attempt
    effect.save()


def counts(sender: object, **kwargs: Any) -> None:
    Effect.objects.filter(label="days").update(attempt=F("attempt") + 3)


def mails(sender: object, **kwargs: Any) -> None:
    mail.send_mail("Your bread", "3 loaves", None, ["ada@example.com"])


def mails_after_commit(sender: object, **kwargs: Any) -> None:
    Thing.objects.create(name="new")
    transaction.on_commit(lambda: mail.send_mail("Your bread", "3 loaves", None, ["ada@example.com"]))


def saves_unless_it_began(sender: object, **kwargs: Any) -> None:
    if not Thing.objects.filter(name="begun").exists():
        Thing.objects.create(name="begun")
        Thing.objects.create(name="done")


def refuses_what_began(sender: object, **kwargs: Any) -> None:
    if Thing.objects.exists():
        raise ValueError("somebody began this")
    Thing.objects.create(name="begun")


def sends_on(sender: object, **kwargs: Any) -> None:
    plain.send(sender=None, label="sent on")


def swallows_everything(sender: object, **kwargs: Any) -> None:
    try:
        Thing.objects.get_or_create(name="new")
    except BaseException:
        pass
    finally:
        Thing.objects.get_or_create(name="at last")


def outlives_an_integrity_error(sender: object, **kwargs: Any) -> None:
    thing, _ = Thing.objects.get_or_create(name="there")
    try:
        Thing.objects.bulk_create([Thing(id=thing.pk, name="again")])
    except IntegrityError:
        Thing.objects.filter(name="there").update(name="there")


def replaces_what_there_is(sender: object, **kwargs: Any) -> None:
    Thing.objects.all().delete()
    one, other = Thing.objects.create(name="one"), Thing.objects.create(name="other")
    one.friends.add(other)


def closes_connections_and_saves_durably(sender: object, **kwargs: Any) -> None:
    connections.close_all()
    with transaction.atomic(durable=True):
        Thing.objects.get_or_create(name="durable")


def waits_twice(sender: object, **kwargs: Any) -> None:
    if Thing.objects.count() < 2:
        Thing.objects.get_or_create(name=str(Thing.objects.count()))
        raise Defer(60)


def fails(sender: object, **kwargs: Any) -> None:
    raise ValueError("the oven is cold")


def posts(sender: object, url: str, key: str = "", **kwargs: Any) -> None:
    headers = {"Idempotency-Key": current_delivery().idempotency_key} if key else {}
    urlopen(Request(url, data=b"one lamp", headers=headers, method="POST")).close()


def report_of(receiver: QueuedReceiver, **options: Any) -> str:
    with pytest.raises(AssertionError) as raised:
        crash_everywhere(receiver, **options)
    return str(raised.value)


def line(func: Callable[..., Any], number: int) -> str:
    """Return how a report names a line of a function, and the text of that line."""
    lines, first = inspect.getsourcelines(func)
    return f"tests/signals_app/testing/test_crashes.py:{first + number}: {lines[number].strip()}"


@pytest.mark.database
def test_a_card_that_is_charged_before_a_row_is_saved_is_caught_with_its_line(made: Make) -> None:
    report = report_of(made(charges_and_saves), calls=[CHARGE])
    assert f"1. {CHARGE}: 2 calls instead of 1\n   made at {line(charges_and_saves, 1)}\n" in report
    assert "current_delivery().idempotency_key" in report
    assert f"testapp_thing: 2 rows instead of 1\n   made at {line(charges_and_saves, 2)}\n" in report
    assert "atomic=True" in report


@pytest.mark.database
@pytest.mark.parametrize(
    "how", ["in a test's transaction", pytest.param("", marks=pytest.mark.django_db(transaction=True))]
)
def test_with_a_key_and_atomic_it_passes_and_leaves_nothing(made: Make, how: str) -> None:
    events.write()
    Tally.objects.all().delete()  # what other tests of this process have counted
    deaths = crash_everywhere(made(charges_by_key_and_saves, atomic=True), calls=[CHARGE])
    # around the call, the INSERT, the record of the success, and the COMMIT of both
    assert deaths == 8
    events.write()
    assert not Thing.objects.exists()
    assert not Delivery.objects.exists()
    assert not Tally.objects.exists()


def test_a_key_that_is_another_at_each_attempt_is_none(made: Make) -> None:
    assert "2 calls instead of 1" in report_of(made(charges_by_a_new_key), calls=[CHARGE])


@pytest.mark.database
def test_a_coroutine_is_caught_with_its_lines(made: Make) -> None:
    report = report_of(made(charges_and_saves_async), calls=[ACHARGE])
    assert f"{ACHARGE}: 2 calls instead of 1\n   made at {line(charges_and_saves_async, 1)}\n" in report
    assert f"testapp_thing: 2 rows instead of 1\n   made at {line(charges_and_saves_async, 2)}\n" in report


def test_a_row_that_a_second_attempt_writes_again_is_caught(made: Make) -> None:
    report = report_of(made(saves))
    assert f"1. testapp_thing: 2 rows instead of 1\n   made at {line(saves, 1)}\n   when it dies after INSERT" in report
    assert crash_everywhere(made(saves, atomic=True)) == 6


def test_atomic_does_not_hold_for_another_database(made: Make) -> None:
    report = report_of(made(saves_elsewhere, atomic=True))
    assert "testapp_thing of other: 2 rows instead of 1" in report
    assert "atomic=True holds for the database of the deliveries" in report


def test_a_row_that_only_tells_the_attempt_and_the_time_is_no_finding(made: Make) -> None:
    crash_everywhere(made(saves_once))


@pytest.mark.database
def test_a_value_that_a_second_attempt_changes_again_is_caught(made: Make) -> None:
    Effect.objects.create(label="days", attempt=4)
    assert "1. testapp_effect: attempt=10 instead of 7\n" in report_of(made(counts))


def test_a_mail_that_is_sent_twice_is_caught(made: Make) -> None:
    report = report_of(made(mails))
    assert f"1. e-mail: 2 calls instead of 1\n   made at {line(mails, 1)}\n" in report
    crash_everywhere(made(mails), idempotent=lambda call: call.kwargs["subject"])
    assert not mail.outbox


@pytest.mark.database
def test_what_on_commit_calls_is_lost_with_its_worker(made: Make) -> None:
    report = report_of(made(mails_after_commit, atomic=True))
    assert f"1. e-mail: 0 calls instead of 1\n   made at {line(mails_after_commit, 2)}\n" in report
    assert "   when it dies after COMMIT in the worker (2 such points)\n   Call before the commit" in report


def test_a_row_that_no_attempt_writes_any_more_is_caught(made: Make) -> None:
    assert "testapp_thing: 1 rows instead of 2" in report_of(made(saves_unless_it_began))
    crash_everywhere(made(saves_unless_it_began, atomic=True))


def test_a_delivery_that_fails_after_a_death_is_caught(made: Make) -> None:
    report = report_of(made(refuses_what_began, backoff=fixed(60)))
    assert "1. the delivery ends FAILED: builtins.ValueError: somebody began this" in report
    report = report_of(made(saves, max_attempts=1, key="once"))
    assert "1. the delivery ends FAILED: WorkerDied: " in report
    assert "max_attempts=2 or more" in report


def test_a_signal_that_is_sent_twice_is_caught(made: Make) -> None:
    assert "signals_app_delivery: 2 rows instead of 1" in report_of(made(sends_on))
    crash_everywhere(made(sends_on, atomic=True))


@pytest.mark.database
@pytest.mark.parametrize(
    "func",
    [
        swallows_everything,
        outlives_an_integrity_error,
        replaces_what_there_is,
        closes_connections_and_saves_durably,
        waits_twice,
    ],
)
def test_what_comes_out_the_same_whenever_it_dies_passes(made: Make, func: Callable[..., None]) -> None:
    crash_everywhere(made(func))


@pytest.mark.parametrize(("key", "is_safe"), [("", False), ("by key", True)])
def test_a_request_is_found_without_being_named(made: Make, key: str, is_safe: bool) -> None:
    receiver = made(posts)
    with warehouse_server() as server:
        if is_safe:
            crash_everywhere(receiver, url=server.url, key=key)
        else:
            report = report_of(receiver, url=server.url, key=key)
            assert "1. POST 127.0.0.1:" in report
            assert f"made at {line(posts, 2)}" in report
        assert len(server.received) > 4


def test_a_receiver_that_fails_undisturbed_has_nothing_to_compare_with(made: Make) -> None:
    report = report_of(made(fails, max_attempts=1))
    assert f"{__name__}.fails ends FAILED though nothing dies:\nbuiltins.ValueError: the oven is cold\n" in report
    assert f", line {fails.__code__.co_firstlineno + 1}, in fails" in report


def test_what_cannot_be_tested_is_said(made: Make) -> None:
    assert "does not call" in report_of(made(saves), calls=[CHARGE])
    assert "passes more than 3 points" in report_of(made(saves, key="long", atomic=True), most=3)
    assert "Deaths: 4" in report_of(made(saves, key="unsafe"), most=4)
    assert "its when says no" in report_of(made(saves, key="never", when=lambda **kwargs: False))


@override_settings(SIGNALS_APP={"IMMEDIATE": True})
def test_each_run_begins_with_the_setup(made: Make) -> None:
    begun: list[int] = []

    def setup() -> None:
        begun.append(Thing.objects.count())
        Thing.objects.create(name="before")

    deaths = crash_everywhere(made(saves, atomic=True), setup=setup)
    assert begun == [0] * (deaths + 3)  # two undisturbed at first, and one at last, which comes to no further point
