"""The code of a lane, taken from its source files when it is shown, so that it cannot drift."""

import inspect
from collections.abc import Callable
from typing import Any

from django.dispatch import Signal

from sigdemo.lab import lanes, spans
from sigdemo.lab.kinds import Way
from sigdemo.lab.signals import async_work_wanted, queued_work_wanted, work_wanted

SENT: dict[Way, Signal] = {
    Way.SIGNAL: work_wanted,
    Way.ASYNC_SIGNAL: async_work_wanted,
    Way.QUEUED: queued_work_wanted,
}


def code_of(way: Way) -> str:
    """Return what a lane's request runs, and what that leads to: the receivers of its signal, or plain functions."""
    functions: list[Callable[..., Any]] = [lanes.SEND[way]]
    if way in SENT:
        functions += receivers_of(SENT[way])
    elif way in (Way.THREAD, Way.THREAD_JOIN):
        functions.append(lanes.start_threads)
    else:
        functions.append(spans.perform)
    return "\n\n".join(inspect.getsource(function).strip() for function in functions)


def receivers_of(signal: Signal) -> list[Callable[..., Any]]:
    """Return the plain functions behind a signal's receivers, each once. They must be held strongly."""
    functions = [getattr(entry[1], "func", entry[1]) for entry in signal.receivers]
    return list(dict.fromkeys(functions))
