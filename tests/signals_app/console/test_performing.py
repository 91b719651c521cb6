"""Doing an operation: what changes, what is left, and who is remembered for it."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection
from django.test import override_settings

from signals_app import ledger
from signals_app.conf import conf
from signals_app.console.operations import CANCEL, OPERATIONS, RETRY, Operator, matching, perform, perform_on
from signals_app.console.queries import Selection
from signals_app.dispatcher import QueuedReceiver
from signals_app.exceptions import OperationRefused
from signals_app.models import Delivery, State
from tests.signals_app.console.admin.rows import TO, delivery, one_for
from tests.signals_app.threads import wait_for_a_waiting_one
from tests.testapp.receivers import nothing

pytestmark = pytest.mark.django_db

NOBODY = Operator(name="a terminal")


def entries() -> list[tuple[str, str, str]]:
    """Return who did what to which delivery."""
    rows = LogEntry.objects.order_by("pk").select_related("user")
    return [(entry.user.get_username(), str(entry.object_id), entry.get_change_message()) for entry in rows]


@pytest.mark.database
@pytest.mark.parametrize(
    ("name", "said", "done", "refused"),
    [
        ("retry", "Retried, with up to 5 more attempts.", "is ready again", "failed and cancelled ones can be retried"),
        ("cancel", "Cancelled.", "was cancelled", "ready and running ones can be cancelled"),
        ("run_now", "Made due now.", "is due now", "ready ones that are due later can be run now"),
        (
            *("move", "Moved to the queue elsewhere.", "is in the queue elsewhere now"),
            "ready ones of another queue can be moved",
        ),
        (
            *("reassign", f"Given to the receiver {nothing.key}.", f"waits for {nothing.key} now"),
            "ready, unroutable ones can be given to another receiver",
        ),
        ("free", "Freed its lane.", "blocks its lane no more", "failed ones that block a lane can be freed"),
    ],
    ids=OPERATIONS,
)
def test_an_operation_changes_what_it_can_once_and_says_so_to_its_user_and_the_history(
    name: str, said: str, done: str, refused: str
) -> None:
    done, refused = f"1 delivery {done}.", f"1 delivery was left as it is: only {refused}."
    operation = OPERATIONS[name].aimed_at(TO.get(name, ""))
    fitting, ended = one_for(name), delivery(State.SUCCESSFUL)
    untouched = Delivery.objects.filter(pk=ended.pk).values().get()
    assert set(matching(operation, Selection(ids=(fitting.pk, ended.pk)))) == {fitting}

    by = Operator.of(User.objects.create_user("ada"))
    result = perform(operation, [fitting.pk, ended.pk], by=by)
    assert (result.changed, result.refused, result.sentences()) == ((fitting.pk,), 1, [done, refused])
    again = perform(operation, [fitting.pk], by=by)
    assert (again.changed, again.refused, again.sentences()) == ((), 1, [refused])

    fitting.refresh_from_db()
    assert not matching(operation, Selection(ids=(fitting.pk, ended.pk))).exists()
    assert Delivery.objects.filter(pk=ended.pk).values().get() == untouched
    assert entries() == [("ada", str(fitting.pk), said)]


def test_who_is_no_user_is_in_the_log_only(caplog: pytest.LogCaptureFixture) -> None:
    row = delivery(State.FAILED)
    with caplog.at_level(logging.INFO, "signals_app"):
        perform(RETRY, [row.pk], by=Operator(name="the terminal of ada"))
    assert entries() == []
    (record,) = caplog.records
    assert record.getMessage() == (
        f"shop.receivers.send_mail #{row.pk} was changed by the terminal of ada: Retried, with up to 5 more attempts."
    )
    assert (record.event, record.operation, record.delivery) == ("operated", "retry", row.pk)  # type: ignore[attr-defined]


def test_a_retry_grants_what_the_receiver_is_given_or_else_the_project(
    made: Callable[..., QueuedReceiver],
) -> None:
    made(nothing.func, key="patient", max_attempts=8)
    rows = [delivery(State.FAILED, receiver=key, attempts=2) for key in ("patient", "gone", "patient")]
    with override_settings(SIGNALS_APP={"MAX_ATTEMPTS": 1}):
        perform(RETRY, [row.pk for row in rows], by=Operator.of(User.objects.create_user("ada")))
    for row in rows:
        row.refresh_from_db()
    assert [row.max_attempts for row in rows] == [10, 3, 10]
    assert {said for _, _, said in entries()} == {
        "Retried, with up to 8 more attempts.",
        "Retried, with up to 1 more attempt.",
    }


def test_all_that_match_are_changed_in_batches_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("signals_app.console.operations._BATCH", 2)
    failed = [delivery(State.FAILED, queue="mail") for _ in range(5)]
    other, done = delivery(State.FAILED), delivery(State.SUCCESSFUL, queue="mail")
    selection = Selection(queue="mail")
    assert matching(RETRY, selection).count() == 5
    result = perform_on(RETRY, selection, by=NOBODY)
    assert (result.changed, result.refused) == (tuple(row.pk for row in failed), 0)
    states = Delivery.objects.filter(pk__in=[other.pk, done.pk]).order_by("pk").values_list("state", flat=True)
    assert list(states) == [State.FAILED, State.SUCCESSFUL]
    assert perform_on(RETRY, selection, by=NOBODY).changed == ()


def test_a_limit_takes_the_oldest_and_named_ones_are_changed_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("signals_app.console.operations._BATCH", 2)
    ids = tuple(delivery().pk for _ in range(8))
    assert perform_on(CANCEL, Selection(), by=NOBODY, limit=3).changed == ids[:3]
    assert perform(CANCEL, ids[::-1], by=NOBODY).changed == ids[3:]


@pytest.mark.parametrize("meanwhile", ["enqueued", "ended"])
def test_what_is_enqueued_meanwhile_is_left_and_what_has_ended_is_refused(
    monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    monkeypatch.setattr("signals_app.console.operations._BATCH", 3)
    ids = tuple(delivery(queue=conf.queue).pk for _ in range(3))
    cancel = ledger.cancel

    def late(ids: list[int]) -> list[int]:
        if meanwhile == "enqueued":
            delivery()
        else:
            (claimed,) = ledger.claim(conf.queue, owner="me", limit=1, lease=30)
            ledger.succeed(claimed, ran=1)
        return cancel(ids)

    monkeypatch.setattr(ledger, "cancel", late)
    result = perform_on(CANCEL, Selection(), by=NOBODY)
    assert (result.changed, result.refused) == ((ids, 0) if meanwhile == "enqueued" else (ids[1:], 1))


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_two_operators_who_retry_the_same_deliveries_do_not_lock_each_other_out(
    monkeypatch: pytest.MonkeyPatch, made: Callable[..., QueuedReceiver]
) -> None:
    few, many = (made(nothing.func, key=f"of {count}", max_attempts=count) for count in (2, 9))
    rows = [delivery(receiver=one.key, state=State.FAILED) for one in (few, many, few)]
    second = threading.Thread(target=_perform_alone, args=[rows[1:]])
    retry = ledger.retry

    def with_another_operator(ids: list[int], **options: int) -> list[int]:
        changed = retry(ids, **options)
        if threading.current_thread() is threading.main_thread() and not second.ident:
            second.start()
            wait_for_a_waiting_one()
        return changed

    monkeypatch.setattr(ledger, "retry", with_another_operator)
    assert len(perform(RETRY, [row.pk for row in rows], by=NOBODY).changed) == 3
    second.join()


def _perform_alone(rows: list[Delivery]) -> None:
    perform(RETRY, [row.pk for row in rows], by=NOBODY)
    connection.close()


@pytest.mark.database
def test_what_is_gone_and_what_never_was_is_refused() -> None:
    gone = delivery()
    gone_id = gone.pk
    gone.delete()
    result = perform(CANCEL, [gone_id, 0, -1, 2**63 - 1, 10**30], by=NOBODY)
    assert (result.changed, result.refused) == ((), 5)
    assert perform_on(CANCEL, Selection(ids=(gone_id, 10**30)), by=NOBODY).changed == ()


@pytest.mark.parametrize(
    ("name", "to", "said"),
    [
        ("move", "elsewere", "There is no queue 'elsewere'. Did you mean elsewhere?"),
        (
            *("reassign", "orders.receivers.nothing"),
            "This process knows no receiver 'orders.receivers.nothing'. Did you mean tests.testapp.receivers.nothing?",
        ),
    ],
)
def test_a_target_that_nobody_knows_is_refused_with_those_that_are_like_it(name: str, to: str, said: str) -> None:
    with pytest.raises(OperationRefused, match=f"^{re.escape(said)}"):
        OPERATIONS[name].aimed_at(to)
