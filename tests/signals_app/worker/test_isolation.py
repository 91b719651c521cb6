"""What one receiver changes in its process does not reach the next one."""

from contextvars import Context
from pathlib import Path

import pytest
from django.conf import settings
from django.core.cache import caches
from django.test import override_settings
from django.utils import timezone, translation

from signals_app.conf import conf
from signals_app.dispatcher import QueuedReceiver
from signals_app.models import State
from signals_app.worker.isolation import _warn_once
from signals_app.worker.loop import drain
from tests.testapp import neighbours, receivers
from tests.testapp.receivers import enqueue

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    "receiver",
    [
        neighbours.changes_its_process,
        neighbours.changes_its_process_in_a_coroutine,
        neighbours.changes_its_process_and_fails,
    ],
    ids=str,
)
def test_no_receiver_finds_what_another_one_changed(receiver: QueuedReceiver, caplog: pytest.LogCaptureFixture) -> None:
    _warn_once.cache_clear()
    neighbours.seen.clear()
    before = neighbours.state_of_process()
    for one in (neighbours.looks_at_its_process, receiver, receiver, neighbours.looks_at_its_process):
        enqueue(one)
    assert drain(conf.queue) == 4
    assert neighbours.seen == [before, before]
    assert neighbours.state_of_process() == before
    left = [line for line in caplog.messages if "behind" in line]
    parts = [
        *("working directory", "environment", "umask", "default timeout of sockets", "pair of standard streams"),
        *("state of the garbage collector", "set of signal handlers", "set of blocked signals"),
    ]
    if receiver is neighbours.changes_its_process_in_a_coroutine:
        del parts[-2:]
    assert left == [
        f"The receiver {receiver.key} left another {part} behind; it is put back each time." for part in parts
    ]


def test_no_receiver_finds_the_language_of_a_plain_task() -> None:
    neighbours.seen.clear()
    enqueue(neighbours.looks_at_its_process)
    with translation.override("de"), timezone.override("Asia/Tokyo"):
        drain(conf.queue)
    (seen,) = neighbours.seen
    assert (seen["language"], seen["time zone"]) == (settings.LANGUAGE_CODE, settings.TIME_ZONE)


def test_a_directory_that_is_gone_stops_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    deliveries = [enqueue(neighbours.changes_its_process), enqueue(receivers.work)]
    assert drain(conf.queue) == 2
    for delivery in deliveries:
        delivery.refresh_from_db()
    assert {one.state for one in deliveries} == {State.SUCCESSFUL}


class BrokenCache:
    """Cannot be made."""

    def __init__(self, *args: object) -> None:
        raise ModuleNotFoundError("No module named 'pymemcache'")


@override_settings(CACHES={"default": {"BACKEND": f"{__name__}.BrokenCache"}})
def test_a_cache_that_cannot_be_made_stops_nobody_who_does_without() -> None:
    enqueue(receivers.nothing)
    assert drain(conf.queue) == 1


def test_receivers_share_the_connections_of_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[object] = []
    monkeypatch.setattr(receivers.nothing, "func", lambda **arguments: used.append(caches["default"]))
    enqueue(receivers.nothing)
    enqueue(receivers.nothing)
    Context().run(drain, conf.queue)  # in which nobody has used a cache yet
    assert used[0] is used[1]
