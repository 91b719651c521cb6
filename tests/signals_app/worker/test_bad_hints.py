"""Hints of garbage, and hints for what is gone: nothing runs that should not, nothing breaks, nothing is lost."""

from __future__ import annotations

import pytest

from signals_app.models import Delivery, State
from signals_app.worker import loop
from tests.testapp import receivers
from tests.testapp.models import Effect
from tests.testapp.receivers import enqueue

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("queue", "told"),
    [
        (None, "None"),
        (5, "5"),
        (b"sigdemo", "b'sigdemo'"),
        (["sigdemo"], "['sigdemo']"),
        ({"queue": "sigdemo"}, "{'queue': 'sigdemo'}"),
        ("", "''"),
        ("sigdemo\0", r"'sigdemo\x00'"),
        ("sigdemo\ud83d", r"'sigdemo\ud83d'"),
        ("sigdemo\nCRITICAL forged", r"'sigdemo\nCRITICAL forged'"),
        ("x" * 101, f"'{'x' * 59}…"),
    ],
    ids=repr,
)
def test_a_hint_of_garbage_is_logged_and_runs_nothing(
    queue: object, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    waiting = enqueue(receivers.work)
    assert loop.drain(queue) == 0
    assert caplog.messages == [f"A hint names no queue but {told}; nothing was run for it."]
    waiting.refresh_from_db()
    assert (waiting.state, waiting.attempts) == (State.READY, 0)
    assert loop.drain(waiting.queue) == 1


@pytest.mark.parametrize("queue", ["nobody", "'; DROP TABLE signals_app_delivery; --", "%(queue)s", "Sigdemo"])
def test_a_hint_for_a_queue_that_nobody_uses_finds_nothing_in_it(queue: str, caplog: pytest.LogCaptureFixture) -> None:
    waiting = enqueue(receivers.work)
    assert loop.drain(queue) == 0
    assert caplog.messages == []
    waiting.refresh_from_db()
    assert (waiting.state, waiting.attempts) == (State.READY, 0)


def test_an_atomic_receiver_whose_delivery_is_gone_at_its_end_leaves_no_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    def deletes(**arguments: object) -> None:
        Effect.objects.create(label="of a delivery that is gone")
        Delivery.objects.filter(receiver=receivers.atomic_work.key).delete()

    monkeypatch.setattr(receivers.atomic_work, "func", deletes)
    enqueue(receivers.atomic_work)
    neighbour = enqueue(receivers.nothing)
    assert loop.drain(neighbour.queue) == 2
    neighbour.refresh_from_db()
    assert neighbour.state == State.SUCCESSFUL
    assert not Effect.objects.exists()
    assert Delivery.objects.count() == 2  # the deletion was part of the transaction that is rolled back
