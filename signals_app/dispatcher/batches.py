"""Batches: a signal that is sent once all that was enqueued in a block, or by one send, has ended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from contextvars import ContextVar, Token
from dataclasses import dataclass
from itertools import count
from types import TracebackType
from typing import Self

from asgiref.sync import sync_to_async
from django.db import Error, transaction
from django.dispatch import Signal

from signals_app import events, ledger, payloads
from signals_app.conf import conf
from signals_app.dispatcher.context import captured
from signals_app.dispatcher.current import CurrentDelivery, current_or_none
from signals_app.dispatcher.emission import Send, current_origin
from signals_app.exceptions import SignalsAppError
from signals_app.models import Batch
from signals_app.payloads import names
from signals_app.signals import emission_settled

LONGEST_DESCRIPTION = 255  # characters
_made_up_ids = count(-1, -1)  # for what runs in the sender's process and has no row


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResult:
    """How the deliveries of a batch had ended when the last of them did, those of the batches within it included."""

    id: int
    successful: int = 0
    failed: int = 0
    cancelled: int = 0
    merged: int = 0

    @property
    def total(self) -> int:
        return self.successful + self.failed + self.cancelled + self.merged


class batch:  # noqa: N801  # reads as a function, such as transaction.atomic
    """Have ``on_done`` sent by a worker once all deliveries that are enqueued in the block have ended.

    Its receivers get ``sender``, the arguments, and ``batch``, a BatchResult. ``async with`` does the same. A block
    within another is waited for by it, its ``on_done`` included. A block that raises is abandoned: what it enqueued
    runs, unless it is rolled back, and nothing follows. Raises SignalsAppError for a signal that no worker would find,
    and PayloadError for arguments that cannot travel, before anything is sent.
    """

    id: int

    def __init__(self, *, on_done: Signal, sender: object = None, description: str = "", **arguments: object) -> None:
        name = names.signal_name(on_done) if issubclass(type(on_done), Signal) else ""
        if not name or names.find_signal(name) is not on_done:
            raise SignalsAppError(
                f"batch() cannot have {on_done!r} sent: a worker finds a signal by its name. Give it one at the top "
                "level of a module that every worker imports, such as an app's signals.py."
            )
        if taken := {"batch", "signal"} & arguments.keys():
            raise SignalsAppError(f"batch() itself passes {min(taken)!r} to the receivers of {name}; rename yours.")
        self._on_done, self._name = on_done, name
        self._description = description[:LONGEST_DESCRIPTION]
        self._payload = payloads.encode_arguments(arguments, sender=sender, signal=name, receiver="batch()")
        self.is_open = False
        self.delivery: CurrentDelivery | None = None  # in whose receiver the block is
        self._mark: Token[batch | None] | None = None
        self.ran = 0  # receivers that ran here, under SIGNALS_APP["IMMEDIATE"]

    def __enter__(self) -> Self:
        self._begin()
        self._mark = _open.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leave()
        self._end(error)

    async def __aenter__(self) -> Self:
        await sync_to_async(self._begin)()
        self._mark = _open.set(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leave()
        await sync_to_async(self._end)(error)

    def _begin(self) -> None:
        self.delivery = current_or_none()
        if conf.immediate:
            self.id = next(_made_up_ids)
        else:
            self.id = ledger.begin_batch(_new(self._name, self._payload, description=self._description))
        self.is_open = True

    def _leave(self) -> None:
        self.is_open = False
        if self._mark is not None:
            _open.reset(self._mark)

    def _end(self, error: BaseException | None) -> None:
        if self.id < 0:
            if error is None:
                decoded = payloads.decode_arguments(self._payload)
                done = BatchResult(id=self.id, successful=self.ran)
                self._on_done.send(decoded.sender, **decoded.arguments, batch=done)
        elif error is not None:
            with suppress(Error):  # the error of the block counts; a transaction that is broken is rolled back
                ledger.abandon_batch(self.id)
        elif not ledger.connection().needs_rollback:  # else the batch goes with what was sent
            ledger.close_batch(self.id)


_open: ContextVar[batch | None] = ContextVar("signals_app_batch", default=None)


def current_batch() -> batch | None:
    """Return the innermost open block to which what is sent now belongs; not what receivers send that run in it."""
    found = _open.get()
    return found if found is not None and found.is_open and found.delivery is current_or_none() else None


def _new(signal: str, payload: str, *, description: str = "") -> ledger.NewBatch:
    outer, origin, current = current_batch(), current_origin(), current_or_none()
    return ledger.NewBatch(
        signal=signal,
        payload=payload,
        queue=conf.queue,
        max_attempts=conf.max_attempts,
        parent=None if outer is None else outer.id,
        description=description,
        sent_by=origin.user(),
        sent_from=origin.place,
        trace=events.traceparent(),
        depth=0 if current is None else current.depth + 1,
        context=captured(),
    )


class Followed:
    """One call of a queued receiver by a send that ``emission_settled`` is to follow.

    In a transaction all deliveries of a send are committed together, so the batch is closed as it is begun, and its
    first member is watched. Elsewhere each is committed by itself: the last queued receiver that the send calls closes
    the batch.
    """

    def __init__(self, send: Send, signal: Signal, sender: object, receiver: object) -> None:
        self._send = send
        self._is_within = ledger.connection().in_atomic_block
        called = [one for one in signal._live_receivers(sender)[0] if type(one) is type(receiver)]
        self._is_last = called[-1:] == [receiver]
        self._began_here = False

    @classmethod
    @contextmanager
    def calling(cls, send: Send, signal: Signal, sender: object, receiver: object) -> Iterator[Self]:
        """Have the call in the block followed."""
        one = cls(send, signal, sender, receiver)
        with nullcontext() if one._is_within else transaction.atomic(using=ledger.connection().alias):
            yield one
            if one._is_last and not one._is_within and not one._began_here and send.batch is not None:
                ledger.close_batch(send.batch)
        if one._is_last and send.ran:
            emission_settled.send(
                sender,
                emission=send.emission,
                sent=names.signal_name(signal),
                arguments=payloads.decode_arguments(send.payload).arguments,
                batch=BatchResult(id=next(_made_up_ids), successful=send.ran),
            )

    def join(self, payload: str, signal: str) -> tuple[int, bool]:
        """Return the batch of a delivery that is about to be written, and whether it is to be watched."""
        send = self._send
        if send.batch is None:
            self._began_here = True
            send.batch = ledger.begin_batch(
                _new(signal, payload),
                emission=send.emission,
                is_closed=self._is_within or self._is_last,
            )
        return send.batch, self._is_last or (self._is_within and self._began_here)

    def ran(self, payload: str) -> None:
        """Note that the receiver has run here."""
        self._send.ran += 1
        self._send.payload = payload


def is_followed(signal: Signal, sender: object) -> bool:
    """Tell whether anybody listens for the end of what this sender sends."""
    heard = bool(emission_settled.receivers) and signal is not emission_settled
    return heard and emission_settled.has_listeners(sender)


def send_done(of: int) -> None:
    """Send what is to follow a batch. Raises SignalsAppError where this process does not know the signal."""
    found = Batch.objects.using(ledger.connection().alias).get(pk=of)
    counts = {name: getattr(found, name) for name in ("successful", "failed", "cancelled", "merged")}
    result, decoded = BatchResult(id=of, **counts), payloads.decode_arguments(found.payload)
    if found.emission is not None:
        emission_settled.send(
            decoded.sender, emission=found.emission, sent=found.signal, arguments=decoded.arguments, batch=result
        )
        return
    signal = names.find_signal(found.signal)
    if signal is None:
        raise SignalsAppError(
            f"There is no signal {found.signal} in this process. Was it renamed or moved since the batch was begun?"
        )
    signal.send(decoded.sender, **decoded.arguments, batch=result)
