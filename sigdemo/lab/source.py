"""The code of a way, taken from what is connected and called when it is shown, so that it cannot drift."""

import ast
import inspect
from collections.abc import Callable
from typing import Any, cast
from weakref import ReferenceType

from django.dispatch import Signal

from sigdemo.lab import lanes
from sigdemo.lab.kinds import Way
from sigdemo.lab.signals import async_work_wanted, queued_work_wanted, work_wanted
from sigdemo.lab.tasks import do_work

SENT: dict[Way, Signal] = {
    Way.SIGNAL: work_wanted,
    Way.ASYNC_SIGNAL: async_work_wanted,
    Way.QUEUED: queued_work_wanted,
}


def code_of(way: Way) -> str:
    """Return what a user would write: the receiver or task, with decorators, and the send; or the function called.

    It is the source without its annotations and docstrings.
    """
    sending = _parsed(lanes.SEND[way])
    work = do_work.func if way == Way.TASK else receiver_of(SENT[way]) if way in SENT else None
    if work is None:
        return ast.unparse(sending)
    return "\n\n".join((ast.unparse(_parsed(work)), *map(ast.unparse, sending.body)))


def receiver_of(signal: Signal) -> Callable[..., Any]:
    """Return the plain function behind the first receiver that was connected to a signal."""
    found = signal.receivers[0][1]
    connected = found() if isinstance(found, ReferenceType) else found
    return cast("Callable[..., Any]", getattr(connected, "func", connected))


def _parsed(function: Callable[..., Any]) -> ast.FunctionDef | ast.AsyncFunctionDef:
    [parsed] = ast.parse(inspect.getsource(function)).body
    assert isinstance(parsed, ast.FunctionDef | ast.AsyncFunctionDef)  # noqa: S101 (for the type checker)
    parsed.returns = None
    if ast.get_docstring(parsed) is not None:
        del parsed.body[0]
    for argument in (*parsed.args.args, *filter(None, (parsed.args.vararg, parsed.args.kwarg))):
        argument.annotation = None
    return parsed
