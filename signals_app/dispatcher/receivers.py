"""The sending side: a queued receiver takes a signal in the sender's process and hands its work to a worker."""

from __future__ import annotations

import functools
import inspect
import itertools
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from types import CodeType
from typing import Any, Unpack, overload
from uuid import UUID

from asgiref.sync import async_to_sync
from django.db import transaction
from django.dispatch import Signal

from signals_app import events, ledger, payloads
from signals_app.conf import conf
from signals_app.dispatcher.context import (
    CurrentDelivery,
    captured,
    current_or_none,
    current_origin,
    emission_of,
    restored,
    running,
    way_to,
)
from signals_app.dispatcher.options import OptionArguments, ReceiverOptions
from signals_app.exceptions import ChainTooLong, MissingObject, ReceiverError
from signals_app.payloads import names
from signals_app.payloads.names import require_importable, required_arguments
from signals_app.redaction.logs import get_logger

logger = get_logger("signals_app.dispatcher")

_NAMELESS = "a signal without a name"

Receiver = Callable[..., Any]


class QueuedReceiver:
    """A receiver that leaves a delivery instead of doing the work; ``func`` is the plain function.

    Any stock ``Signal.connect`` takes it. Called by a signal it returns the ``Delivery`` it wrote, or None where its
    ``when`` said no or the sender is a model of a migration. Under ``SIGNALS_APP["IMMEDIATE"]`` it runs ``func`` and
    returns its value.
    """

    def __init__(self, func: Receiver, *, key: str, options: ReceiverOptions) -> None:
        """Enter the function in the registry. Raises ReceiverError where a worker could not find it again."""
        if isinstance(func, QueuedReceiver):
            raise ReceiverError(
                f"{func!r} is a queued receiver already. Connect it to several signals with "
                "@queued_receiver([one, another]), or to one more with connect()."
            )
        require_importable(func)
        functools.update_wrapper(self, func, updated=())  # a mark "async" of the function is not ours
        self.func = func
        self.key = key or f"{func.__module__}.{func.__qualname__}"
        text = str(self.key)
        if text != self.key or len(text) > 255 or not text.isprintable():
            raise ReceiverError(f"key={self.key!r} is not a printable text of 1 to 255 characters.")
        self.options = options
        self._required = required_arguments(func)
        registry.add(self)

    def __repr__(self) -> str:
        return f"<QueuedReceiver {self.key}>"

    def __call__(self, /, *, signal: Signal, sender: object, **arguments: object) -> object:
        """Hand the work off, in the sender's transaction.

        Raises PayloadError where an argument cannot travel, PayloadTooLarge where they are too many, ChainTooLong where
        too many deliveries led to this one, and whatever ``when`` and the project's context raise.
        """
        # first of all, so that a receiver that says no is known to have been called
        frame = id(sys._getframe(1))
        emission = emission_of(frame=frame, signal=signal, sender=sender, receiver=self)
        if names.is_historical(sender):
            _tell_of_migration(self.key, names.label(sender))
            return None
        options = self.options
        when = options.when
        if when is not None and not when(signal=signal, sender=sender, **arguments):
            return None
        signal_name = names.signal_name(signal)
        depth = self._depth(signal_name)
        for name in options.drop:
            arguments.pop(name, None)
        if not self._required <= arguments.keys():
            self._refuse_call(arguments, signal_name or _NAMELESS)
        payload = payloads.encode_arguments(
            arguments,
            sender=sender,
            signal=signal_name or _NAMELESS,
            receiver=self.key,
            snapshot=options.snapshot,
            func=self.func,
        )
        context = captured()
        if conf.immediate:
            return self._run_here(signal, emission, payload, depth, context)
        origin = current_origin()
        work = ledger.NewDelivery(
            emission=emission,
            signal=signal_name,
            sender=names.label(sender),
            receiver=self.key,
            queue=options.queue,
            priority=options.priority,
            payload=payload,
            delay=options.delay,
            max_attempts=options.max_attempts,
            sent_by=origin.user(),
            sent_from=origin.place,
            trace=events.traceparent(),
            depth=depth,
            context=context,
        )
        delivery = ledger.enqueue(work)
        events.enqueued(delivery)
        return delivery

    def _refuse_call(self, arguments: dict[str, object], signal: str) -> None:
        name = min(self._required - arguments.keys())
        why = "drop leaves out" if name in self.options.drop else "the signal does not bring"
        raise ReceiverError(
            f"{self.key} cannot receive {signal}: its parameter {name!r} has no default value, and {why} the argument. "
            "Give it a default value, or take it out of the parameters."
        )

    def _depth(self, signal: str) -> int:
        """Return how many deliveries lead to the one that is sent here. Raises ChainTooLong."""
        current = current_or_none()
        if current is None:
            return 0
        depth = current.depth + 1
        if depth > conf.max_depth:
            raise ChainTooLong(
                f"{self.key} cannot receive {signal or _NAMELESS}: {depth} deliveries lead to this one, "
                f'each sent by the receiver of the one before, and SIGNALS_APP["MAX_DEPTH"] allows {conf.max_depth}: '
                f"{' → '.join(way_to(self.key))}. Send only where something changed, with when=... for instance, or "
                "raise the limit."
            )
        return depth

    def _run_here(self, signal: Signal, emission: UUID, payload: str, depth: int, context: str) -> object:
        """Run in the sender's process what a worker would have run, from the same payload."""
        current = CurrentDelivery(
            id=next(_made_up_ids),
            emission=emission,
            attempt=1,
            max_attempts=self.options.max_attempts,
            depth=depth,
        )
        alias = ledger.connection().alias
        with restored(context), running(current):
            try:
                decoded = payloads.decode_text(payload)
            except MissingObject:
                if self.options.missing == "skip":
                    return None
                raise
            with transaction.atomic(using=alias) if self.options.atomic else nullcontext():
                returned = self.func(signal=signal, sender=decoded.sender, **decoded.arguments)
                return async_to_sync(_awaited)(returned) if inspect.isawaitable(returned) else returned


async def _awaited(value: Awaitable[Any]) -> Any:
    return await value


@functools.cache  # once, not for each row that a migration saves
def _tell_of_migration(key: str, model: str) -> None:
    logger.warning(
        "%s gets nothing from %s, a model of a migration, which no worker has. Connect it with sender=... .", key, model
    )


class Registry:
    """Keys and the receivers they stand for."""

    def __init__(self) -> None:
        # with each the run of its module's body that entered it, None where it was another's
        self._entries: dict[str, tuple[QueuedReceiver, CodeType | None]] = {}

    def add(self, receiver: QueuedReceiver) -> None:
        """Enter a receiver. Raises ReceiverError where another function has the key.

        The same function, defined anew by a module that is loaded once more, replaces the old one.
        """
        func, body = receiver.func, _body(receiver.func.__module__)
        if receiver.key in self._entries:
            known, known_body = self._entries[receiver.key]
            has_name, has_place = _name(known.func) == _name(func), _place(known.func) == _place(func)
            taken = f"The key {receiver.key!r} already belongs to {_name(known.func)}"
            if not has_name and has_place:
                raise ReceiverError(
                    f"{taken}, which is the same as {_name(func)}: the file was imported under two names. "
                    "Import it as one."
                )
            if not has_name:
                raise ReceiverError(f"{taken}. Give {_name(func)} a key=... of its own.")
            if not has_place and (body is None or body is known_body):
                raise ReceiverError(
                    f"{taken}, which is defined twice in its module. Rename one of the two, or give it a key=... of "
                    "its own."
                )
        self._entries[receiver.key] = receiver, body

    def get(self, key: str) -> QueuedReceiver | None:
        """Return the receiver of a key, or None when this process does not know it."""
        return self._entries.get(key, (None,))[0]

    def all(self) -> list[QueuedReceiver]:
        """Return every receiver, by key."""
        return [self._entries[key][0] for key in sorted(self._entries)]

    def forget(self, key: str) -> None:
        """Remove a receiver; its waiting deliveries are unroutable in this process from now on."""
        self._entries.pop(key, None)


def _body(module: str) -> CodeType | None:
    """Return the code of the module's body that is being run. Each time a file is loaded, that is another object."""
    frame = sys._getframe()
    while frame := frame.f_back:  # type: ignore[assignment]  # None ends it
        if frame.f_code.co_name == "<module>" and frame.f_globals.get("__name__") == module:
            return frame.f_code
    return None


def _name(func: Receiver) -> str:
    return f"{func.__module__}.{func.__qualname__}"


def _place(func: Receiver) -> tuple[str, int]:
    """Return the file and the line where a function is written, whatever decorators made of it."""
    code = getattr(inspect.unwrap(getattr(func, "__func__", func)), "__code__", None)
    return (code.co_filename, code.co_firstlineno) if code else ("", 0)


registry = Registry()
_made_up_ids = itertools.count(-1, -1)  # for what runs in the sender's process and has no row


@overload
def queued(func: Receiver, /, **options: Unpack[OptionArguments]) -> QueuedReceiver: ...
@overload
def queued(**options: Unpack[OptionArguments]) -> Callable[[Receiver], QueuedReceiver]: ...
def queued(
    func: Receiver | None = None, /, **options: Unpack[OptionArguments]
) -> QueuedReceiver | Callable[[Receiver], QueuedReceiver]:
    """Make a function a queued receiver: ``@queued``, ``@queued(...)`` or ``queued(func, ...)``.

    It is not connected to any signal yet. Raises ReceiverError for an option that does not exist, a value that an
    option does not take, and a function that a worker could not find again.
    """
    given = ReceiverOptions(**options)

    def make(function: Receiver) -> QueuedReceiver:
        return QueuedReceiver(function, key=options.get("key", ""), options=given)

    return make if func is None else make(func)


def queued_receiver(
    signal: Signal | Sequence[Signal],
    *,
    sender: object = None,
    weak: bool = True,
    dispatch_uid: object = None,
    **options: Unpack[OptionArguments],
) -> Callable[[Receiver], QueuedReceiver]:
    """Make a function a queued receiver and connect it to one or more signals.

    Takes what ``django.dispatch.receiver`` takes, and the options of ``queued``; raises as ``queued`` does.
    """
    named: list[object] = list(signal) if isinstance(signal, Sequence) else [signal]
    signals = [one for one in named if isinstance(one, Signal)]
    if not signals or signals != named:
        raise ReceiverError(f"queued_receiver takes a signal or a list of signals, not {signal!r}.")

    def connect(function: Receiver) -> QueuedReceiver:
        made = queued(function, **options)
        for one in signals:
            one.connect(made, sender=sender, weak=weak, dispatch_uid=dispatch_uid)
        return made

    return connect
