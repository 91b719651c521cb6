"""Decorators in the wrong order: a function that its signal calls already is no queued receiver."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db.models import signals as model_signals
from django.dispatch import Signal, receiver

from signals_app.dispatcher import QueuedReceiver, queued, queued_receiver, registry
from signals_app.exceptions import ReceiverError
from tests.testapp.models import Effect
from tests.testapp.signals import plain

HERE = __name__
Make = Callable[..., QueuedReceiver]

placed = Signal()


class Shop:
    """Keeps its signals where no module has them as a name."""

    opened = Signal()

    @classmethod
    def work(cls, sender: object, **kwargs: Any) -> None: ...


def work(sender: object, **kwargs: Any) -> None: ...


@pytest.fixture
def connected(request: pytest.FixtureRequest) -> Iterator[None]:
    """Connect ``work`` to the signal and in the way that the test is given."""
    signal, options = request.param
    receiver(signal, **options)(work)
    yield
    signal.disconnect(work, sender=options.get("sender"), dispatch_uid=options.get("dispatch_uid"))


def sentence(signal: str) -> str:
    return (
        f"{HERE}.work is itself connected to {signal}, which would run it in the sender's process. "
        "Put @receiver(...) above @queued; to have both, connect work.func afterwards; where another app connected it, "
        "disconnect it first."
    )


@pytest.mark.parametrize(
    ("connected", "signal"),
    [
        ((placed, {}), f"{HERE}.placed"),
        ((placed, {"weak": False}), f"{HERE}.placed"),
        ((placed, {"sender": Shop}), f"{HERE}.placed"),
        ((placed, {"dispatch_uid": "once"}), f"{HERE}.placed"),
        ((plain, {}), "tests.testapp.signals.plain"),
        ((plain, {"weak": False}), "tests.testapp.signals.plain"),
        ((Shop.opened, {}), "a signal"),
        ((model_signals.post_save, {"sender": Effect}), "django.db.models.signals.post_save"),
        ((model_signals.post_save, {"weak": False}), "django.db.models.signals.post_save"),
    ],
    indirect=["connected"],
)
def test_queued_over_receiver_is_refused_when_decorated(connected: None, signal: str) -> None:
    with pytest.raises(ReceiverError) as caught:
        queued(work, key="reversed")
    assert str(caught.value) == sentence(signal)
    with pytest.raises(ReceiverError) as caught:
        queued_receiver(placed, key="reversed")(work)
    assert str(caught.value) == sentence(signal)
    assert registry.get("reversed") is None


def test_a_module_with_its_decorators_in_the_wrong_order_is_not_imported(tmp_path: Path) -> None:
    (tmp_path / "reversed.py").write_text(
        "from django.dispatch import receiver\n"
        "from signals_app.dispatcher import queued\n"
        "from tests.testapp.signals import plain\n"
        "@queued(priority=1)\n"
        "@receiver(plain)\n"
        "def work(sender, **kwargs): ...\n"
    )
    with pytest.raises(ReceiverError, match=r"^reversed\.work is itself connected to tests\.testapp\.signals\.plain, "):
        runpy.run_path(str(tmp_path / "reversed.py"), run_name="reversed")
    assert registry.get("reversed.work") is None


def test_a_bound_classmethod_that_is_connected_is_refused() -> None:
    Shop.opened.connect(Shop.work)
    try:
        with pytest.raises(ReceiverError, match=r"\.Shop\.work is itself connected to a signal, "):
            queued(Shop.work, key="reversed")
    finally:
        Shop.opened.disconnect(Shop.work)


def test_receiver_over_queued_is_right(made: Make) -> None:
    connected = receiver(placed)(made(work, key="right"))
    try:
        assert [target() for _, target, *_ in placed.receivers] == [connected]
    finally:
        placed.disconnect(connected)


def test_a_function_may_be_connected_after_it_was_queued(made: Make) -> None:
    both = made(work, key="both")
    placed.connect(both)
    placed.connect(both.func)
    try:
        assert [target() for _, target, *_ in placed.receivers] == [both, work]
    finally:
        assert placed.disconnect(both)
        assert placed.disconnect(both.func)


def test_a_function_that_was_disconnected_may_be_queued(made: Make) -> None:
    placed.connect(work)
    placed.disconnect(work)
    assert made(work, key="free").func is work
