"""Queued receivers: what makes a function one, what it does when a signal calls it, and the registry of all of them."""

from __future__ import annotations

import functools
import inspect
import itertools
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from types import CodeType, ModuleType
from typing import Any, Unpack, overload
from uuid import UUID

from asgiref.sync import async_to_sync
from django.db import transaction
from django.dispatch import Signal

from signals_app import events, ledger, payloads
from signals_app.conf import conf
from signals_app.dispatcher.batches import Followed, current_batch, is_followed, send_done
from signals_app.dispatcher.context import captured, restored
from signals_app.dispatcher.current import CurrentDelivery, current_or_none, running
from signals_app.dispatcher.emission import Send, current_origin, send_of, way_to
from signals_app.dispatcher.options import OptionArguments, ReceiverOptions, key_of
from signals_app.dispatcher.sending import current_sending
from signals_app.exceptions import ChainTooLong, MissingObject, ReceiverError
from signals_app.payloads import names
from signals_app.redaction.logs import get_logger

logger = get_logger("signals_app.dispatcher")

Receiver = Callable[..., Any]

_NAMELESS = "a signal without a name"
_made_up_ids = itertools.count(-1, -1)  # for what runs in the sender's process and has no row


class QueuedReceiver:
    """A receiver that leaves a delivery instead of doing the work; ``func`` is the plain function.

    Any stock ``Signal.connect`` takes it. Called by a signal it returns the ``Delivery`` it wrote, or None where its
    ``when`` said no or the sender is a model of a migration. Under ``SIGNALS_APP["IMMEDIATE"]`` it runs ``func`` and
    returns its value.
    """

    def __init__(self, func: Receiver, *, key: str, options: ReceiverOptions) -> None:
        """Enter the function in the registry. Raises ReceiverError where a worker could not find it again."""
        if why := _why_not(func):
            raise ReceiverError(why)
        functools.update_wrapper(self, func, updated=())  # a mark "async" of the function is not ours
        self.func = func
        self.key = key or _name(func)
        text = str(self.key)
        if text != self.key or len(text) > 255 or not text.isprintable():
            raise ReceiverError(f"key={self.key!r} is not a printable text of 1 to 255 characters.")
        self.options = options
        self._required = _required_arguments(func)
        registry.add(self)

    def __repr__(self) -> str:
        return f"<QueuedReceiver {self.key}>"

    def __call__(self, /, *, signal: Signal, sender: object, **arguments: object) -> object:
        """Write the delivery, in the sender's transaction.

        Raises PayloadError where an argument cannot travel, PayloadTooLarge where they are too many, ChainTooLong where
        too many deliveries led to this one, and whatever ``when`` and the project's context raise.
        """
        # first, so that a receiver that declines counts as called
        send = send_of(frame=id(sys._getframe(1)), signal=signal, sender=sender, receiver=self)
        if is_followed(signal, sender):
            with Followed.calling(send, signal, sender, self) as followed:
                return self._take(send, followed, signal, sender, arguments)
        return self._take(send, None, signal, sender, arguments)

    def _take(
        self, send: Send, followed: Followed | None, signal: Signal, sender: object, arguments: dict[str, object]
    ) -> object:
        if names.is_historical(sender):
            _tell_of_migration(self.key, names.label(sender))
            return None
        options = self.options
        when = options.when
        if when is not None and not when(signal=signal, sender=sender, **arguments):
            return None
        signal_name = names.signal_name(signal)
        shown_name = signal_name or _NAMELESS
        depth = self._depth(shown_name)
        sent = {"signal": signal, "sender": sender}
        coalesce_key = self._key_of("coalesce", arguments, sent)
        lane = self._key_of("lane", arguments, sent) or (self.key if options.concurrency else "")
        bucket = self._key_of("rate_key", arguments, sent)
        for name in options.drop:
            arguments.pop(name, None)
        if name := self.lacks(arguments):
            why = "drop removes" if name in options.drop else "the signal does not pass"
            raise ReceiverError(
                f"{self.key} cannot receive {shown_name}: its parameter {name!r} has no default value, and {why} the "
                "argument. Give it a default value, or take it out of the parameters."
            )
        payload = payloads.encode_arguments(
            arguments,
            sender=sender,
            signal=shown_name,
            receiver=self.key,
            snapshot=options.snapshot,
            func=self.func,
        )
        context = captured()
        open_block = current_batch()
        if conf.immediate:
            returned = self._run_here(signal, send.emission, payload, depth, context)
            if followed:
                followed.ran(payload)
            if open_block:
                open_block.ran += 1
            return returned
        origin, sent_so = current_origin(), current_sending()
        batch, watched = None if open_block is None else open_block.id, False
        if followed:
            batch, watched = followed.join(payload, signal_name)
        work = ledger.NewDelivery(
            emission=send.emission,
            signal=signal_name,
            sender=names.label(sender),
            receiver=self.key,
            queue=sent_so.queue or options.queue,
            priority=options.priority if sent_so.priority is None else sent_so.priority,
            payload=payload,
            delay=sent_so.delay_of(self.key, options, quiet=options.debounce if coalesce_key else 0.0),
            max_attempts=options.max_attempts,
            sent_by=origin.user(),
            sent_from=origin.place,
            trace=events.traceparent(),
            depth=depth,
            context=context,
            coalesce_key=coalesce_key,
            lane=lane,
            blocks_lane=bool(lane) and not options.concurrency and options.on_failure == "block",
            bucket=bucket,
            batch=batch,
            watched=watched,
        )
        return ledger.enqueue(work, events.enqueued)

    def lacks(self, arguments: Mapping[str, object]) -> str:
        """Return a parameter that has neither a default nor an argument; "" where the function can be called."""
        return "" if self._required <= arguments.keys() else min(self._required - arguments.keys())

    def _key_of(self, option: str, arguments: Mapping[str, object], sent: Mapping[str, Any]) -> str:
        """Return the key that an option makes of a signal's arguments. Raises ReceiverError where it makes none."""
        spec = getattr(self.options, option)
        if spec is None:
            return ""
        try:
            return key_of(spec, arguments, **sent)
        except Exception as error:
            what = names.signal_name(sent["signal"]) or _NAMELESS
            why = f"its {option} failed with {type(error).__name__}: {error}".rstrip(".")
            if isinstance(spec, str):
                passed = ", ".join(arguments) or "none"
                why = f"{option}={spec!r} names an argument that the signal does not pass. It passes {passed}"
            raise ReceiverError(f"{self.key} cannot receive {what}: {why}.") from error

    def _depth(self, signal: str) -> int:
        """Return how many deliveries lead to the one that is sent here. Raises ChainTooLong."""
        current = current_or_none()
        if current is None:
            return 0
        depth = current.depth + 1
        if depth > conf.max_depth:
            raise ChainTooLong(
                f"{self.key} cannot receive {signal}: {depth} deliveries lead to this one, "
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
        with restored(context), running(current):
            try:
                decoded = payloads.decode_arguments(payload)
            except MissingObject:
                if self.options.missing == "skip":
                    return None
                raise
            with transaction.atomic(using=ledger.connection().alias) if self.options.atomic else nullcontext():
                returned = self.func(signal=signal, sender=decoded.sender, **decoded.arguments)
                return async_to_sync(_awaited)(returned) if inspect.isawaitable(returned) else returned


async def _awaited(value: Awaitable[Any]) -> Any:
    return await value


@functools.cache  # once, not for each row that a migration saves
def _tell_of_migration(key: str, model: str) -> None:
    logger.warning(
        "%s gets nothing from %s, a model of a migration, which no worker has. Connect it with sender=... .", key, model
    )


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
    make = functools.partial(QueuedReceiver, key=options.get("key", ""), options=ReceiverOptions(**options))
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
    signals = list(signal) if isinstance(signal, Sequence) else [signal]
    if not signals or not all(isinstance(one, Signal) for one in signals):
        raise ReceiverError(f"queued_receiver takes a signal or a list of signals, not {signal!r}.")

    def connect(function: Receiver) -> QueuedReceiver:
        made = queued(function, **options)
        for one in signals:
            one.connect(made, sender=sender, weak=weak, dispatch_uid=dispatch_uid)
        return made

    return connect


class Registry:
    """Keys and the receivers they stand for."""

    def __init__(self) -> None:
        # with each receiver the run of its module's body that entered it, None where other code did
        self._entries: dict[str, tuple[QueuedReceiver, CodeType | None]] = {}
        self.finder: Callable[[str], QueuedReceiver | None] = lambda key: None  # signals_app.tasks has one

    def add(self, receiver: QueuedReceiver) -> None:
        """Enter a receiver. Raises ReceiverError where another function has the key.

        The same function, defined anew by a module that is loaded once more, replaces the old one.
        """
        key, func, body = receiver.key, receiver.func, _body(receiver.func.__module__)
        if key in self._entries:
            known, known_body = self._entries[key]
            has_name, has_place = _name(known.func) == _name(func), _place(known.func) == _place(func)
            why = ""
            if not has_name and has_place:
                why = f", which is the same as {_name(func)}: the file was imported under two names. Import it as one."
            elif not has_name:
                why = f". Give {_name(func)} a key=... of its own."
            elif not has_place and (body is None or body is known_body):
                why = ", which is defined twice in its module. Rename one of the two, or give it a key=... of its own."
            if why:
                raise ReceiverError(f"The key {key!r} already belongs to {_name(known.func)}{why}")
        self._entries[key] = receiver, body

    def get(self, key: str) -> QueuedReceiver | None:
        """Return the receiver of a key, or None when this process does not know it."""
        return self._entries.get(key, (None,))[0]

    def find(self, key: str) -> QueuedReceiver | None:
        """Return the receiver of a key, or that of the task it names, which may have to be imported for it."""
        return self.get(key) or self.finder(key)

    def all(self) -> list[QueuedReceiver]:
        """Return every receiver, by key."""
        return [self._entries[key][0] for key in sorted(self._entries)]

    def forget(self, key: str) -> None:
        """Remove a receiver; its waiting deliveries are unroutable in this process from now on."""
        self._entries.pop(key, None)


registry = Registry()


def _body(module: str) -> CodeType | None:
    """Return the code of the module's body that is being run; each load of a file makes another code object."""
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


_AT_MODULE_LEVEL = "with def at the top level of a module that every worker imports"
_CALLED = f"write a function that calls it, {_AT_MODULE_LEVEL}"


def _why_not(func: object) -> str:
    """Return why a worker could not find this function or call it with any argument, and the cure; else ""."""
    if isinstance(func, QueuedReceiver):
        return (
            f"{func!r} is a queued receiver already. Connect it to several signals with "
            "@queued_receiver([one, another]), or to one more with connect()."
        )
    if isinstance(func, classmethod):
        return f"{func.__func__.__qualname__} is a classmethod, which has no class yet; make it a staticmethod."
    if isinstance(func, Signal):
        return "queued takes a function, not a signal; write @queued_receiver(signal) instead."
    if not inspect.isroutine(func) or not hasattr(func, "__module__"):  # a method of C has none
        return f"{func!r} is not a function, so a worker could not find it by name; {_CALLED}."
    name, owner = _name(func), getattr(func, "__self__", None)
    if owner is not None and not isinstance(owner, type | ModuleType):
        return (
            f"{name} is bound to an instance of {type(owner).__name__}, which exists in this process only; "
            f"write a function that makes or finds one and calls it, {_AT_MODULE_LEVEL}."
        )
    if "<lambda>" in name:
        return f"{name} is a lambda, which a worker cannot find by name; define it {_AT_MODULE_LEVEL}."
    if "<locals>" in name:
        return (
            f"{name} is nested in another function, so a worker cannot find it; define it {_AT_MODULE_LEVEL}. If a "
            "decorator returned it, put @functools.wraps above the function within the decorator."
        )
    if func.__module__ == "__main__":
        return f"{name} lives in the script that was started, which no worker imports; define it {_AT_MODULE_LEVEL}."
    return _why_not_called(func, name)


def _why_not_called(func: Receiver, name: str) -> str:
    if inspect.isgeneratorfunction(func) or inspect.isasyncgenfunction(func):
        return f"{name} is a generator: calling it would run nothing. Return instead of yield."
    try:
        parameters = list(inspect.signature(func).parameters.values())
    except ValueError:  # of C, and it does not say
        parameters = []
    if not any(p.kind == p.VAR_KEYWORD for p in parameters):
        return f"{name} must accept keyword arguments; add **kwargs to its parameters, or {_CALLED}."
    for p in parameters:
        is_self = p.name == "self" and p.default is p.empty
        if p.kind == p.POSITIONAL_ONLY or is_self:
            cure = "make it a staticmethod" if is_self else "drop the / from its parameters"
            return f"{name} takes {p.name!r} by position, but a signal passes everything by keyword; {cure}."
    return ""


def _required_arguments(func: Receiver) -> frozenset[str]:
    """Return the names, beside sender and signal, without which a function cannot be called."""
    # as it is called: a decorator may give what the function within takes
    called = func.__func__ if isinstance(func, staticmethod) else func
    try:
        parameters = inspect.signature(called, follow_wrapped=False).parameters.values()
    except ValueError:  # what functools.cache makes, for instance, takes anything and looks later
        return frozenset()
    plain = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return frozenset(p.name for p in parameters if p.kind in plain and p.default is p.empty) - {"sender", "signal"}


@queued(key=ledger.CALLBACK, atomic=True)
def batch_done(batch: int, **kwargs: object) -> None:
    """Send what is to follow a batch; what its receivers write rolls back with the attempt."""
    send_done(batch)
