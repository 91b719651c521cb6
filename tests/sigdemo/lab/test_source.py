"""The code on the lab's page is the code that runs: it compiles to what is connected and called."""

import dis
from collections.abc import Callable
from textwrap import indent
from typing import Any

import pytest
from django.dispatch import Signal

from receivers import lab as receivers
from sigdemo.lab import lanes
from sigdemo.lab.kinds import ATTEMPTS, Way
from sigdemo.lab.source import SENT, code_of, receiver_of

IMPORTS = "from sigdemo.lab.lanes import LabLane, async_to_sync, transaction, " + ", ".join(
    f"{name}work_wanted" for name in ("", "async_", "queued_")
)  # what is imported is called by other steps
RECEIVERS: dict[Way, Callable[..., Any]] = {
    Way.SIGNAL: receivers.work_at_once,
    Way.ASYNC_SIGNAL: receivers.work_concurrently,
    Way.QUEUED: receivers.work_in_a_worker.func,
}


def steps(function: Callable[..., Any]) -> list[tuple[str, str]]:
    return [(step.opname, step.argrepr.partition(" object ")[0]) for step in dis.get_instructions(function)]


@pytest.mark.parametrize("way", SENT)
def test_a_receiver_is_shown_with_its_decorator_in_three_lines(way: Way) -> None:
    shown, sending = code_of(way).split("\n\n")
    asked: list[dict[str, Any]] = []

    def decorate(signal: Signal, **options: Any) -> Callable[[Any], Any]:
        asked.append({"signal": signal, **options})
        return lambda function: function

    made = dict(vars(receivers)) | {"receiver": decorate, "queued_receiver": decorate}
    exec(compile(shown, "shown", "exec"), made)
    assert len(shown.splitlines()) == 3
    assert RECEIVERS[way] is receiver_of(SENT[way])
    assert steps(made[RECEIVERS[way].__name__]) == steps(RECEIVERS[way])
    options = receivers.work_in_a_worker.options.own if way == Way.QUEUED else {}
    assert asked == [{"signal": SENT[way], **options}]
    exec(compile(f"{IMPORTS}\ndef sent(lane):\n{indent(sending, ' ')}", "sent", "exec"), made)
    assert steps(made["sent"]) == steps(lanes.SEND[way])


@pytest.mark.parametrize("way", [way for way in Way if way not in SENT])
def test_what_is_called_is_shown_as_it_is(way: Way) -> None:
    made = dict(vars(lanes))
    exec(compile(code_of(way), "shown", "exec"), made)
    assert steps(made[lanes.SEND[way].__name__]) == steps(lanes.SEND[way])


def test_the_page_counts_on_as_many_attempts_as_the_decorator_asks_for() -> None:
    assert receivers.work_in_a_worker.options.max_attempts == ATTEMPTS
