"""The sending side: a queued receiver takes a signal in the sender's process and hands its work to a worker."""

from __future__ import annotations

import functools
import itertools
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, TypeVar, Unpack, overload
from uuid import UUID

from django.db import transaction
from django.dispatch import Signal

from signals_app import events, ledger, payloads
from signals_app.conf import conf
from signals_app.dispatcher.context import (
    CurrentDelivery,
    awaited,
    captured,
    current_delivery,
    current_or_none,
    current_origin,
    emission_of,
    restored,
    running,
    way_to,
)
from signals_app.dispatcher.options import OptionArguments, ReceiverOptions, Resolved
from signals_app.dispatcher.registration import Registry, require_unconnected
from signals_app.exceptions import ChainTooLong, MissingObject, ReceiverError
from signals_app.payloads import names
from signals_app.payloads.names import require_importable, required_arguments
from signals_app.redaction.records import get_logger

__all__ = ["QueuedReceiver", "current_delivery", "queued", "queued_receiver", "registry"]

logger = get_logger("signals_app.dispatcher")

_NAMELESS = "a signal without a name"

Receiver = Callable[..., Any]
F = TypeVar("F", bound=Receiver)


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
        require_unconnected(func)
        functools.update_wrapper(self, func, updated=())  # a mark "async" of the function is not ours
        self.func = func
        self.key = key or f"{func.__module__}.{func.__qualname__}"
        text = str(self.key)
        if text != self.key or len(text) > 255 or not text.isprintable():
            raise ReceiverError(f"key={self.key!r} is not a printable text of 1 to 255 characters.")
        self.options = Resolved(options)
        self._required = required_arguments(func)
        registry.add(self.key, self, func)

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
            delivery_id=next(_made_up_ids),
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
                return awaited(self.func(signal=signal, sender=decoded.sender, **decoded.arguments))


@functools.cache  # once, not for each row that a migration saves
def _tell_of_migration(key: str, model: str) -> None:
    logger.warning(
        "%s gets nothing from %s, a model of a migration, which no worker has. Connect it with sender=... .", key, model
    )


registry: Registry[QueuedReceiver] = Registry()
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
    given = ReceiverOptions.given(options)

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
