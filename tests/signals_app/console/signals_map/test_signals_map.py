"""The signals map of this process."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.core.signals import request_started
from django.db import connection
from django.dispatch import Signal
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from signals_app import ledger
from signals_app.console.signals_map.graph import Counts, Loose, Mark, Node, SignalsMap, signals_map
from signals_app.console.signals_map.output import as_json
from signals_app.dispatcher import QueuedReceiver, registry
from signals_app.dispatcher.options import ReceiverOptions
from signals_app.models import PauseKind, State
from tests.signals_app.console.admin.rows import delivery
from tests.signals_app.console.signals_map import listeners
from tests.signals_app.console.signals_map.listeners import by_queue
from tests.testapp.signals import unheard

pytestmark = [pytest.mark.django_db, pytest.mark.database]

UNHEARD = "tests.testapp.signals.unheard"


@pytest.fixture(autouse=True)
def left_as_it_was() -> Iterator[None]:
    yield
    unheard.receivers.clear()


def node_of(name: str, whole: SignalsMap | None = None) -> Node:
    (found,) = [node for node in (whole or signals_map()).nodes if node.name == name]
    return found


def ended(state: State, **fields: Any) -> None:
    """Write a delivery of ``unheard`` to ``by_queue`` that ended just now."""
    standard = {"signal": UNHEARD, "receiver": by_queue.key, "finished_at": timezone.now()}
    delivery(state, **standard | fields)


def test_every_signal_that_a_module_holds_is_there_once_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("some_module")
    module.fresh = module.again = Signal()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "some_module", module)
    names = [node.name for node in signals_map().nodes]
    assert names == sorted(set(names))
    assert {"some_module.again", "sigdemo.shop.signals.order_placed", "django.db.models.signals.post_save"} < set(names)
    assert "some_module.fresh" not in names


def test_a_signal_of_the_project_without_a_receiver_is_marked() -> None:
    assert node_of(UNHEARD).marks == (Mark.UNHEARD,)
    unheard.connect(listeners.plain)
    assert node_of(UNHEARD).marks == ()
    assert node_of("django.db.models.signals.pre_init").marks == ()


def test_a_signal_whose_receivers_are_gone_is_heard_by_nobody() -> None:
    unheard.connect(lambda sender, **kwargs: None)
    gc.collect()
    node = node_of(UNHEARD)
    assert node.marks == (Mark.UNHEARD,)
    assert [edge.marks for edge in node.edges] == [(Mark.DEAD,)]


def test_what_libraries_leave_behind_is_not_marked() -> None:
    class Storage:
        def method(self, **kwargs: Any) -> None: ...

    Storage.method.__code__ = Storage.method.__code__.replace(co_filename="/x/site-packages/storage.py")
    unheard.connect(Storage().method)
    gc.collect()
    (edge,) = node_of(UNHEARD).edges
    assert (str(edge.connection.place).partition(":")[0], edge.connection.is_dead) == ("storage.py", True)
    assert edge.marks == ()


def test_counts_stand_at_the_edge_of_a_queued_receiver_only() -> None:
    unheard.connect(listeners.plain)
    unheard.connect(by_queue)
    unheard.connect(listeners.asynchronous)
    ended(State.SUCCESSFUL)
    edges = node_of(UNHEARD).edges
    assert [edge.counts for edge in edges] == [None, Counts(successful=1, runs=1), None]
    assert [edge.marks for edge in edges] == [(), (), ()]


def test_a_queued_receiver_with_failures_is_marked() -> None:
    unheard.connect(by_queue)
    ended(State.FAILED)
    assert [edge.marks for edge in node_of(UNHEARD).edges] == [(Mark.FAILING,)]


def test_a_queued_receiver_without_a_delivery_is_one_that_nobody_sends_to() -> None:
    unheard.connect(by_queue)
    assert [edge.marks for edge in node_of(UNHEARD).edges] == [(Mark.UNSENT,)]
    ended(State.READY, finished_at=None)
    assert [edge.marks for edge in node_of(UNHEARD).edges] == [()]


@pytest.mark.parametrize(("kind", "name"), [(PauseKind.RECEIVER, by_queue.key), (PauseKind.QUEUE, "sigdemo")])
def test_a_paused_receiver_is_marked_and_so_is_one_whose_queue_is_paused(kind: PauseKind, name: str) -> None:
    unheard.connect(by_queue)
    ledger.pause(kind, name)
    ended(State.SUCCESSFUL)
    assert [edge.marks for edge in node_of(UNHEARD).edges] == [(Mark.PAUSED,)]
    unheard.disconnect(by_queue)
    (known,) = loose(signals_map().unexplained, by_queue.key)
    assert known.marks == (Mark.PAUSED, Mark.UNEXPLAINED)


def test_a_pause_of_another_queue_marks_nothing() -> None:
    unheard.connect(by_queue)
    ledger.pause(PauseKind.QUEUE, by_queue.key)
    ledger.pause(PauseKind.RECEIVER, "sigdemo")
    assert signals_map().count(Mark.PAUSED) == 0


def loose(of: tuple[Loose, ...], receiver: str) -> list[Loose]:
    return [one for one in of if one.receiver == receiver]


def test_a_queued_receiver_that_no_signal_calls_is_told_apart() -> None:
    (found,) = loose(signals_map().unconnected, by_queue.key)
    assert (found.signal, found.counts, found.marks) == ("", Counts(), (Mark.UNSENT,))
    assert found.place is not None
    assert found.place.path.endswith("signals_map/listeners.py")
    assert "priority=3" in map(str, found.options)
    unheard.connect(listeners.wrapped_queued)
    assert loose(signals_map().unconnected, by_queue.key) == []


def test_deliveries_that_no_connection_explains_are_shown() -> None:
    ended(State.FAILED)
    ended(State.SUCCESSFUL, receiver="shop.receivers.renamed")
    whole = signals_map()
    (known,) = loose(whole.unexplained, by_queue.key)
    assert (known.signal, known.counts.failed, known.marks) == (UNHEARD, 1, (Mark.FAILING, Mark.UNEXPLAINED))
    assert loose(whole.unconnected, by_queue.key) == []
    (renamed,) = loose(whole.unexplained, "shop.receivers.renamed")
    assert (renamed.place, renamed.options, renamed.marks) == (None, (), (Mark.UNEXPLAINED,))


def test_a_signal_of_a_library_is_foreign_until_the_project_or_a_queue_hears_it() -> None:
    name = "django.core.signals.request_started"
    assert node_of(name).is_foreign
    assert not node_of(UNHEARD).is_foreign
    request_started.connect(listeners.plain)
    try:
        assert not node_of(name).is_foreign
    finally:
        request_started.disconnect(listeners.plain)


def test_a_queued_receiver_of_a_library_is_not_folded_away() -> None:
    def function(**kwargs: Any) -> None: ...

    code = function.__code__.replace(co_filename="/x/site-packages/mails.py")
    function.__code__, function.__qualname__ = code, "function"
    made = QueuedReceiver(function, key="a library's", options=ReceiverOptions())
    try:
        request_started.connect(made)
        assert not node_of("django.core.signals.request_started").is_foreign
    finally:
        request_started.disconnect(made)
        registry.forget("a library's")


def test_a_mark_leaves_only_its_bearers() -> None:
    unheard.connect(by_queue)
    unheard.connect(listeners.plain)
    ended(State.FAILED)
    part = signals_map().marked(Mark.FAILING)
    assert [node.name for node in part.nodes] == [UNHEARD]
    assert [edge.connection.receiver for edge in part.nodes[0].edges] == [by_queue.key]
    assert (part.unconnected, part.unexplained) == ((), ())


@pytest.mark.parametrize("mark", list(Mark))
def test_a_marks_number_is_that_of_what_it_leaves(mark: Mark) -> None:
    unheard.connect(by_queue)
    unheard.connect(lambda sender, **kwargs: None)
    gc.collect()
    ended(State.FAILED)
    ended(State.FAILED, receiver="shop.receivers.renamed")
    ledger.pause(PauseKind.RECEIVER, by_queue.key)
    whole = signals_map()
    part = whole.marked(mark)
    bearing = [edge for node in part.nodes for edge in node.edges]
    nodes = [node for node in part.nodes if mark in node.marks]
    assert whole.count(mark) == len(bearing) + len(nodes) + len(part.unconnected) + len(part.unexplained) > 0
    assert part.count(mark) == whole.count(mark)


def test_the_whole_map_takes_five_queries() -> None:
    with CaptureQueriesContext(connection) as queries:
        signals_map()
    assert len(queries) == 5


def test_as_json_it_says_the_same() -> None:
    unheard.connect(by_queue, dispatch_uid="once")
    ended(State.FAILED)
    ended(State.SUCCESSFUL, receiver="shop.receivers.renamed")
    told = json.loads(json.dumps(as_json(signals_map())))
    (signal,) = [one for one in told["signals"] if one["name"] == UNHEARD]
    assert signal["place"] == {"path": "tests/testapp/signals.py", "line": 7}
    assert (signal["is_foreign"], signal["marks"]) == (False, [])
    (edge,) = signal["receivers"]
    options = edge.pop("options")
    assert (options["priority"], options["drop"], options["delay"]) == (3, ["request"], 1.5)
    assert edge == {
        "receiver": by_queue.key,
        "kind": "queued",
        "form": "function",
        "place": {"path": "tests/signals_app/console/signals_map/listeners.py", "line": edge["place"]["line"]},
        "sender": "",
        "dispatch_uid": "once",
        "is_weak": True,
        "is_dead": False,
        "counts": {"waiting": 0, "running": 0, "successful": 0, "failed": 1, "cancelled": 0, "runs": 1},
        "marks": ["failing"],
    }
    assert told["is_whole_day"] is True
    assert [one["receiver"] for one in told["unexplained"]] == ["shop.receivers.renamed"]
    assert "tests.testapp.receivers.fails" in [one["receiver"] for one in told["unconnected"]]


def test_no_path_of_this_machine_is_told() -> None:
    told = json.dumps(as_json(signals_map()))
    assert str(Path(__file__).parents[4]) not in told
    assert sys.prefix not in told
    assert '"path": "/' not in told
