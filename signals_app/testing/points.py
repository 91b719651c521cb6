"""Where the worker of a receiver may die: around its statements, its commits and its outgoing calls."""

from __future__ import annotations

import inspect
import io
import linecache
import os
import re
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from contextvars import ContextVar
from functools import wraps
from http.client import parse_headers
from pathlib import Path
from pkgutil import resolve_name
from socket import AF_INET, AF_INET6, socket
from ssl import SSLSocket
from textwrap import shorten
from typing import Any, NamedTuple
from unittest.mock import patch
from weakref import WeakKeyDictionary

import django
from django.core.mail.backends import locmem, smtp
from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from signals_app.ledger import ClaimedDelivery
from signals_app.worker.attempt import attempt
from signals_app.worker.heartbeat import ClaimedBatch
from signals_app.worker.isolation import Isolation

_SAVEPOINT = "signals_app_crash"
_WRITE = re.compile(r"""(?:INSERT (?:OR \w+ )?INTO|UPDATE|DELETE FROM|REPLACE INTO) ["`]?(\w+)""", re.IGNORECASE)
_REQUEST = re.compile(rb"([A-Z]+) (\S+) HTTP/1")
_REPEATABLE = {"GET", "HEAD", "OPTIONS", "PUT", "DELETE"}  # twice is as good as once, says HTTP
_PACKAGES = (*map(sysconfig.get_path, ("stdlib", "purelib", "platlib")), *django.__path__, Path(__file__).parents[1])
_LIBRARIES = (*(f"{path}{os.sep}" for path in _PACKAGES), "<")


Row = dict[str, str]  # the columns of a row, or the arguments of a call


class Call(NamedTuple):
    """An outgoing call that came back without an error.

    That of a path in ``calls`` has its arguments. A request over HTTP has ``method``, ``path``, ``headers`` and
    ``body`` in ``kwargs``, and an e-mail ``to``, ``subject``, ``body`` and ``headers``.
    """

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def _key(call: Call) -> object:
    """Return the idempotency key of a call; a request that may be repeated by the rules of HTTP is its own."""
    if call.kwargs.get("method") in _REPEATABLE:
        return call.kwargs["method"], call.kwargs["path"], call.kwargs["body"]
    if (key := call.kwargs.get("idempotency_key")) is not None:
        return key
    return call.kwargs["headers"].get("Idempotency-Key") if "method" in call.kwargs else None


class _Died(BaseException):
    """The worker is dead; whatever its code tries on the way up raises this again."""


_current: ContextVar[Run | None] = ContextVar("signals_app_crash", default=None)


class Run:
    """The attempts of one delivery, of which one may die, and what they do on their way."""

    def __init__(self, *, die_at: int, idempotent: Callable[[Call], object]) -> None:
        self._die_at, self._idempotent = die_at, idempotent
        self._points = 0
        self._is_at_work = self._is_dead = False
        self._coroutine: Any = None
        self._keys: set[object] = set()
        self.requests: WeakKeyDictionary[socket, bytes] = WeakKeyDictionary()  # what was sent and is not answered
        self.died = ""  # where
        self.state = self.error = ""  # of the delivery in the end
        self.calls: dict[str, list[Row]] = {}  # their arguments
        self.rows: dict[str, list[Row]] = {}  # those of the tables in the end
        self.written: set[str] = set()  # tables
        self.places: dict[str, dict[str, None]] = {}  # lines of the project, by the call or the table that they write

    @contextmanager
    def on(self, databases: Iterable[BaseDatabaseWrapper]) -> Iterator[None]:
        """Work on databases in the block, which all are as before after it."""
        token = _current.set(self)
        try:
            with ExitStack() as stack:
                for db in databases:
                    stack.enter_context(_Transactions(db, self).entered())
                yield
        finally:
            _current.reset(token)

    def attempt(self, claimed: ClaimedDelivery, receiver: Any) -> bool:
        """Make an attempt as a worker does; return whether the worker died."""
        receive = receiver.func

        def received(**arguments: Any) -> Any:
            self._is_at_work = True  # what a worker does before it calls the receiver has no effect
            returned = receive(**arguments)
            self._coroutine = returned if inspect.iscoroutine(returned) else None
            return returned

        (batch := ClaimedBatch([claimed])).take()
        with patch.object(receiver, "func", received):
            try:
                Isolation().call(attempt, claimed, receiver, batch, receiver=receiver.key)
            except BaseException:
                if not self._is_dead:
                    raise
        died, self._is_dead, self._is_at_work = self._is_dead, False, False
        return died

    def passing(self, when: str, what: str) -> None:
        """Die here, if this is the point to die at."""
        if not self._is_at_work:
            return
        if self._points == self._die_at and not self.died:
            self._is_dead, self.died = True, f"{when} {what} {self._place() or 'in the worker'}"
        self._points += 1
        if self._is_dead:
            raise _Died

    def note(self, name: str) -> None:
        """Remember that the line that runs has this effect."""
        if self._is_at_work and (place := self._place()):
            self.places.setdefault(name, {})[place] = None

    def called(self, *calls: Call) -> None:
        """Count calls, but for those whose key was there before."""
        if not self._is_at_work:
            return
        for call in calls:
            key = self._idempotent(call) or _key(call)
            if key is None or (call.name, key) not in self._keys:
                self._keys.add((call.name, key))
                row = {f"#{number}": repr(value) for number, value in enumerate(call.args)}
                row |= {name: repr(value) for name, value in call.kwargs.items() if name != "headers"}
                self.calls.setdefault(call.name, []).append(row)
            self.note(call.name)

    def answered(self, sock: socket) -> None:
        """Take what was sent for complete, since its answer is awaited."""
        if request := self.requests.pop(sock, b""):
            head, _, body = request.partition(b"\r\n\r\n")
            if found := _REQUEST.match(head):
                headers = parse_headers(io.BytesIO(head.partition(b"\r\n")[2]))
                method, path = found[1].decode(), found[2].decode()
                parts = {"method": method, "path": path, "headers": headers, "body": body}
                self.called(Call(f"{method} {headers.get('Host', '')}", (), parts))
            self.passing("after", "a request")

    def _place(self) -> str:
        """Return the innermost line of the project's own code, and its text."""
        frame: Any = sys._getframe(1)
        while frame and frame.f_code is not Run.attempt.__code__:
            if _is_own(frame):
                return _shown(frame)
            frame = frame.f_back
        place, awaited = "", self._coroutine  # its queries are made beside its stack
        while inner := getattr(awaited, "cr_frame", None):
            place, awaited = _shown(inner) if _is_own(inner) else place, awaited.cr_await
        return place


def _is_own(frame: Any) -> bool:
    return not frame.f_code.co_filename.startswith(_LIBRARIES)


def _shown(frame: Any) -> str:
    file, line = frame.f_code.co_filename, frame.f_lineno
    path, text = Path(file), linecache.getline(file, line).strip()
    return f"at {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}:{line}: {text}"


class _Transactions:
    """Has a connection seem to be in autocommit, within one transaction that is undone in the end.

    What Django takes for transactions are savepoints, and so is, on PostgreSQL, each statement outside of one, whose
    error would end the transaction. So ``on_commit()``, ``durable=True`` and errors do what they do outside of tests.
    """

    def __init__(self, db: BaseDatabaseWrapper, run: Run) -> None:
        self._db, self._run, self._is_open = db, run, False

    @contextmanager
    def entered(self) -> Iterator[None]:
        db: Any = self._db
        fresh: dict[str, Any] = {"in_atomic_block": False, "autocommit": True, "commit_on_exit": True}
        fresh |= {"needs_rollback": False, "run_commit_hooks_on_set_autocommit_on": False}
        fresh |= {"savepoint_ids": [], "atomic_blocks": [], "run_on_commit": []}
        replaced = {"_commit": self._commit, "_rollback": self._rollback, "_set_autocommit": self._set_autocommit}
        replaced |= {"_start_transaction_under_autocommit": self._begin, "close": lambda: None}
        with transaction.atomic(using=db.alias), ExitStack() as stack:
            kept = {name: getattr(db, name) for name in fresh}
            for name in replaced.keys() & set(dir(db)):
                stack.enter_context(patch.object(db, name, replaced[name]))
            vars(db).update(fresh)
            self._begin()  # the driver begins a transaction at its first statement
            self._rollback()
            stack.enter_context(db.execute_wrapper(self._execute))
            try:
                yield
            finally:
                self._rollback()
                vars(db).update(kept)
                transaction.set_rollback(True, using=db.alias)

    def _raw(self, *statements: str) -> None:
        with self._db.wrap_database_errors, closing(self._db.connection.cursor()) as cursor:
            for one in statements:
                cursor.execute(f"{one} {_SAVEPOINT}")

    def _begin(self) -> None:
        self._raw("SAVEPOINT")
        self._is_open = True

    def _release(self) -> None:
        self._raw("RELEASE SAVEPOINT")
        self._is_open = False

    def _commit(self) -> None:
        self._run.passing("before", "COMMIT")
        self._release()
        self._run.passing("after", "COMMIT")

    def _rollback(self) -> None:
        if self._is_open:
            self._raw("ROLLBACK TO SAVEPOINT", "RELEASE SAVEPOINT")
            self._is_open = False

    def _set_autocommit(self, autocommit: bool) -> None:
        (self._rollback if autocommit else self._begin)()

    def _execute(self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
        text = str(sql)
        what = shorten(text, 60, placeholder=" …")
        if what.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK")):
            return execute(sql, params, many, context)
        self._run.passing("before", what)
        if self._is_open or self._db.vendor == "sqlite":
            result = execute(sql, params, many, context)
        else:
            self._begin()
            try:
                result = execute(sql, params, many, context)
                self._release()
            finally:
                self._rollback()
        for table in _WRITE.findall(text):
            self._run.written.add(table)
            self._run.note(table)
        self._run.passing("after", what)
        return result


@contextmanager
def watching(paths: Iterable[str]) -> Iterator[None]:
    """Have the calls of these functions, e-mails and requests pass the points of the run that makes them."""
    with ExitStack() as stack:
        for path in paths:
            owner, name = resolve_name(path.rpartition(".")[0]), path.rpartition(".")[2]
            counted: Any = _counted(path, getattr(owner, name))
            is_bound = isinstance(inspect.getattr_static(owner, name), staticmethod | classmethod)
            stack.enter_context(patch.object(owner, name, staticmethod(counted) if is_bound else counted))
        for backend in (locmem.EmailBackend, smtp.EmailBackend):
            stack.enter_context(patch.object(backend, "send_messages", _mailing(backend.send_messages)))
        stack.enter_context(patch.object(socket, "sendall", _sending(socket.sendall)))  # SSLSocket's calls send()
        for kind in (socket, SSLSocket):
            stack.enter_context(patch.object(kind, "send", _sending(kind.send)))
            for name in ("recv", "recv_into"):
                stack.enter_context(patch.object(kind, name, _receiving(getattr(kind, name))))
        yield


@contextmanager
def _points(name: str, *calls: Call) -> Iterator[None]:
    run = _current.get()
    if run is not None:
        run.passing("before", name)
    yield
    if run is not None:
        run.called(*calls)
        run.passing("after", name)


def _counted(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    def counted(*args: Any, **kwargs: Any) -> Any:
        with _points(name, Call(name, args, kwargs)):
            return call(*args, **kwargs)

    async def counted_async(*args: Any, **kwargs: Any) -> Any:
        with _points(name, Call(name, args, kwargs)):
            return await call(*args, **kwargs)

    return wraps(call)(counted_async if inspect.iscoroutinefunction(call) else counted)


def _mailing(send: Callable[..., Any]) -> Callable[..., Any]:
    def send_messages(backend: Any, messages: Iterable[Any]) -> Any:
        mails = list(messages)
        parts = [{"to": m.to, "subject": m.subject, "body": m.body, "headers": m.extra_headers} for m in mails]
        with _points("e-mail", *(Call("e-mail", (), one) for one in parts)):
            return send(backend, mails)

    return send_messages


def _sending(send: Callable[..., Any]) -> Callable[..., Any]:
    def sending(sock: socket, data: Any, *args: Any) -> Any:
        run = _current.get()
        if run is None or sock.family not in (AF_INET, AF_INET6):
            return send(sock, data, *args)
        if sock not in run.requests:
            run.passing("before", "a request")
        count = send(sock, data, *args)
        run.requests[sock] = run.requests.get(sock, b"") + bytes(data)[:count]
        return count

    return sending


def _receiving(receive: Callable[..., Any]) -> Callable[..., Any]:
    def receiving(sock: socket, *args: Any, **kwargs: Any) -> Any:
        if run := _current.get():
            run.answered(sock)
        return receive(sock, *args, **kwargs)

    return receiving
