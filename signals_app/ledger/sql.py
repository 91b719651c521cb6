"""What differs between databases, in one class each: SQL, the clock, locks, limits of time, waiting and sessions.

A third database is one class here and its checks in ``checks/databases.py``, provided that it has what the statements
of the ledger and the migration take for granted: UPDATE … RETURNING, INSERT … ON CONFLICT, partial indexes, recursive
WITH, lists of row values, and SKIP LOCKED or else one writer at a time. MariaDB and MySQL lack the first three.
"""

from __future__ import annotations

import json
import math
import select
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from functools import lru_cache
from operator import attrgetter
from typing import Any, ClassVar, cast

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, Error, connections, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model
from django.utils import timezone

from signals_app.conf import conf, is_test_run
from signals_app.exceptions import SignalsAppError
from signals_app.ledger.sqlite_watch import Naps, watch
from signals_app.models import Delivery

TABLE = Delivery._meta.db_table

Rows = Sequence[tuple[dict[str, Any], float]]  # columns, always in the same order, and the delay
Inserted = tuple[int, datetime, datetime]  # id, when it is due, when it was enqueued

# Which deliveries a claim may take: of a queue as a whole, and one by one. Both subqueries stand alone, so each runs
# once; their table is empty unless something is paused.
QUEUE_RUNS = "NOT EXISTS (SELECT 1 FROM signals_app_pause WHERE kind = 'QUEUE' AND name = %(queue)s)"
PAUSED_RECEIVERS = "SELECT name FROM signals_app_pause WHERE kind = 'RECEIVER'"
RECEIVER_RUNS = f"receiver NOT IN ({PAUSED_RECEIVERS})"

# Why not the ORM: it cannot say UPDATE … RETURNING, nor pick rows band by band. "ORDER BY priority DESC, due_at"
# alone would walk over every delivery that waits for later in a higher band; here each band is one index range.
# FALSE is written out: given a parameter, SQLite would choose the partial index anew at each execution.
BANDS = f"""
WITH RECURSIVE band(priority) AS (
    SELECT max(priority) FROM {{table}}
    WHERE queue = %(queue)s AND state = 'READY' AND parked = FALSE AND {QUEUE_RUNS}
    UNION ALL
    SELECT (SELECT max(d.priority) FROM {{table}} d WHERE d.queue = %(queue)s AND d.state = 'READY'
            AND d.parked = FALSE AND d.priority < band.priority)
    FROM band WHERE band.priority IS NOT NULL
)"""
# Of deliveries that are known by their ids. Written so that no database sees the condition of the index of what waits,
# and reads all that waits to find them: SQLite because of the queue, PostgreSQL where it counted last while none did.
WAITING = "state || '' = 'READY'"

_OF_BAND = f"""
    SELECT d.id, d.priority, d.due_at FROM {{table}} d
    WHERE d.queue = %(queue)s AND d.state = 'READY' AND d.parked = FALSE AND d.priority = band.priority
    AND d.due_at <= {{now}} AND d.{RECEIVER_RUNS} ORDER BY d.due_at, d.id LIMIT %(limit)s"""
_SLEEP = (
    "INSERT INTO signals_app_idlequeue (queue, until) SELECT %(queue)s, {later} "
    "WHERE TRUE{unsynced} "  # a note that a crash loses costs one nap
    "ON CONFLICT (queue) DO UPDATE SET until = excluded.until"
)

_NOTIFY = (
    "SELECT pg_notify('signals_app', i.queue) FROM signals_app_idlequeue i "
    "WHERE i.queue = %(queue)s AND i.until > {now}"
)
SOON = 1.0  # seconds; what is due later a pusher finds by itself
BUSY_TIMEOUT = 20  # seconds to wait for SQLite's one write lock
SLEEP_NOTE = 2.0  # seconds for which senders go on notifying a queue after its pusher last lay down
INTERRUPTION = 0.1  # seconds until a query of SQLite that is interrupted has ended


def distinct(column: str, where: str) -> str:
    """Return the SQL of a table ``lot``: the distinct values of a column in the rows that meet a condition, and NULL.

    Each step probes an index once; the ORM's DISTINCT would read all the rows.
    """
    return f"""
WITH RECURSIVE lot({column}) AS (
    SELECT min({column}) FROM {{table}} WHERE {where}
    UNION ALL
    SELECT (SELECT min(d.{column}) FROM {{table}} d WHERE {where} AND d.{column} > lot.{column})
    FROM lot WHERE lot.{column} IS NOT NULL
)"""


class Change(IntEnum):
    """What ended a wait: nothing that was heard of, a commit of whomever, or a send to this very queue, for now."""

    NONE, ANY, OURS = range(3)


@dataclass(slots=True)
class ChangeListener:
    """Waits, in a pusher's process, for anything to be written that may concern its queue."""

    queue: str
    poll: float  # seconds, the longest nap beside LISTEN
    version: int = -1  # of SQLite's file
    commits: Naps | None = None  # to that file
    listening: Any = None  # PostgreSQL's session
    nap: float = 0.005
    noted: float = 0.0
    is_noting: bool = True  # whether senders are told that this one sleeps
    alarm: Sequence[int] = ()  # descriptors; a wait ends at once when one of them can be read

    def reset(self) -> None:
        """Look often again: something was found."""
        self.nap = 0.005

    def rest(self, *, briefly: bool) -> None:
        """Stop listening until the next wait: whoever listens costs senders something, and its session is another."""
        database(connection()).rest(connection(), self, briefly=briefly)

    def wait(self, seconds: float) -> Change:
        """Return when the database has changed, or may have, and at the latest after ``seconds``."""
        db = connection()
        db.ensure_connection()
        return database(db).wait(db, self, seconds)


def _can_be_read(descriptors: Sequence[int], seconds: float) -> bool:
    """Wait until one of these can be read; rounds up to milliseconds."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return bool(descriptors and poll.poll(math.ceil(seconds * 1000)))


class Database:
    """One kind of database; this class itself is for those that keep no deliveries, but that receivers may use."""

    # SQL by the names by which statements refer to it:
    # now, later, earlier     the time; with %(delay)s seconds added, or %(ago)s seconds taken off
    # due                     the query of the ids that are due first, in the order of claims
    # among_due, among_ids    the condition that an id is one of those that a claim may take, or in the list %(ids)s
    # among ... those         the condition that an id is one of those that the query between the two finds
    # yes                     what a flag that is set equals. SQLite takes a partial index where its condition is met to
    #                         the letter, and Django writes "flag" or "flag = 1": queries say flag AND flag = {yes}
    # no                      the same of a flag that is not set: queries say NOT flag AND flag = {no}
    # clock                   the time at which a row is returned, where that can differ from now
    # skip_locked             after a SELECT: locks its rows, and leaves out those that are locked already
    # for_update              after a SELECT: locks its rows, and waits for those that are locked already
    # for_share               after a SELECT: waits for whoever writes to its rows
    # lane_lock               selected: lets one transaction at a time park or bring back in a lane, the column lane
    # unsynced                after a condition: commits without waiting for the disk, outside of a transaction
    # unsynced_here           the same in a transaction of the ledger's own
    # returning               after the INSERT of a delivery: what inserted() reads
    fragments: ClassVar[Mapping[str, str]] = {}
    # whether the WITH of a query may write
    writes_in_queries: ClassVar[bool] = False

    def bind(self, db: BaseDatabaseWrapper, params: dict[str, Any], at: datetime | None = None) -> dict[str, Any]:
        """Return the parameters of a statement, with the process's clock where the database has none of its own."""
        raise SignalsAppError(
            f"signals_app keeps its deliveries in SQLite or PostgreSQL; {db.alias!r} is {db.vendor}. "
            "Route signals_app to one of those with DATABASE_ROUTERS."
        )

    def to_datetime(self, db: BaseDatabaseWrapper, value: Any) -> datetime:
        """Return a time of the clock that raw SQL answered, as the ORM would have read it."""
        return cast(datetime, value)

    def inserted(self, cursor: Any, at: datetime, delay: float) -> Inserted:
        """Return the id of the delivery that was inserted, when it is due, and when it was enqueued."""
        raise NotImplementedError

    def insert_many(self, db: BaseDatabaseWrapper, one: str, many: str, rows: Rows, at: datetime) -> list[Inserted]:
        """Insert deliveries by the statement for one or by that for many; return what inserted() does, for each."""
        self.bind(db, {}, at)
        raise NotImplementedError

    def prepare(self, db: BaseDatabaseWrapper) -> None:
        """Set up a new connection for use beside others, as far as the project has not."""

    def wait(self, db: BaseDatabaseWrapper, listener: ChangeListener, seconds: float) -> Change:
        """Return when something may have changed."""
        raise NotImplementedError

    def rest(self, db: BaseDatabaseWrapper, listener: ChangeListener, *, briefly: bool) -> None:
        """Stop listening until the next wait."""

    def wake(self, queue: str) -> None:
        """Have the pusher of a queue look, where it does not hear of every commit."""

    def lock_timeout(self, db: BaseDatabaseWrapper, seconds: float) -> AbstractContextManager[None]:
        """Return a transaction that waits no longer than that for a lock."""
        raise NotImplementedError

    def time_limit(self, db: BaseDatabaseWrapper, seconds: float) -> AbstractContextManager[None]:
        """Return a block in which a connection, not yet open, waits about so long for whatever it needs."""
        return nullcontext()

    def journal_mode(self, db: BaseDatabaseWrapper) -> str | None:
        """Return how a SQLite file keeps its transactions safe, such as ``wal``; None for what is no file."""
        return None

    def in_transaction(self, raw: Any) -> bool:
        """Tell whether the driver's connection is in a transaction, begun by whatever means."""
        return False

    def is_aborted(self, raw: Any) -> bool:
        """Tell whether a statement failed in the transaction of the driver's connection, which then refuses others."""
        return False

    def session_state(self, raw: Any) -> tuple[object, ...] | None:
        """Return what can be known of a session without asking the server; None where it is closed."""
        return ()

    def local_settings(self, db: BaseDatabaseWrapper) -> dict[str, str]:
        """Return the settings of a transaction that a receiver may change and the ledger needs."""
        return {}

    def restore_local_settings(self, db: BaseDatabaseWrapper, kept: Mapping[str, str]) -> None:
        """Give a transaction the settings back that ``local_settings()`` returned."""

    def cancel(self, db: BaseDatabaseWrapper) -> None:
        """End on the server what this thread waits for there."""

    def free_write_lock(self, raw: Any) -> None:
        """Close the driver's connection of another thread where it may keep all others from writing."""


class SQLite(Database):
    """One writer at a time, and no server: the clock is the process's, and nobody can be woken."""

    _due = (
        f"{BANDS} SELECT t.id FROM band CROSS JOIN {{table}} t WHERE t.id IN (SELECT id FROM ({_OF_BAND})) "
        "ORDER BY t.priority DESC, t.due_at, t.id LIMIT %(limit)s"
    )
    fragments: ClassVar[Mapping[str, str]] = {
        "now": "%(now)s",
        "later": "%(later)s",
        "earlier": "%(earlier)s",
        "due": _due,
        "among_due": f"IN ({_due})",
        "among_ids": "IN (SELECT value FROM json_each(%(ids)s))",
        "among": "IN (",
        "those": ")",
        "ended": "(SELECT json_extract(value, '$[0]') AS id, json_extract(value, '$[1]') AS token, "
        "json_extract(value, '$[2]') AS started_at, json_extract(value, '$[3]') AS finished_at, "
        "json_extract(value, '$[4]') AS done, json_extract(value, '$[5]') AS total FROM json_each(%(ended)s))",
        "yes": "1",
        "no": "0",
        "clock": "%(now)s",
        "skip_locked": "",
        "for_update": "",
        "for_share": "",
        "lane_lock": "NULL",
        "unsynced": "",
        "unsynced_here": "",
        "returning": "",
    }

    def bind(self, db: BaseDatabaseWrapper, params: dict[str, Any], at: datetime | None = None) -> dict[str, Any]:
        # naive, in the connection's zone: that is how Django stores times in SQLite
        now = (at or datetime.now(db.timezone)).replace(tzinfo=None)
        params["now"] = params["later"] = str(now)
        if params.get("delay"):
            params["later"] = str(now + timedelta(seconds=params["delay"]))
        if "ago" in params:
            params["earlier"] = str(now - timedelta(seconds=params["ago"]))
        if "ended" in params:
            rows = [
                (one, token, str(now - timedelta(seconds=began)), str(now - timedelta(seconds=ago)), done, total)
                for one, token, began, ago, done, total in params["ended"]
            ]
            params["ended"] = json.dumps(rows)
        if "ids" in params:
            params["ids"] = json.dumps(params["ids"])
        if "emission" in params:
            params["emission"] = params["emission"].hex
        return params

    def to_datetime(self, db: BaseDatabaseWrapper, value: Any) -> datetime:
        read = datetime.fromisoformat(value)
        return timezone.make_aware(read, db.timezone) if settings.USE_TZ else read

    def inserted(self, cursor: Any, at: datetime, delay: float) -> Inserted:
        # its times are this process's: no RETURNING has to read them back
        now = at if settings.USE_TZ else at.replace(tzinfo=None)
        return cursor.lastrowid, now + timedelta(seconds=delay), now

    def insert_many(self, db: BaseDatabaseWrapper, one: str, many: str, rows: Rows, at: datetime) -> list[Inserted]:
        # one prepared statement, executed for each: a statement of many rows takes longer, and saves no round trip here
        times = {delay: self.bind(db, {"delay": delay}, at) for delay in {delay for _, delay in rows}}
        bound = [{**row, **times[delay], "emission": row["emission"].hex} for row, delay in rows]
        with transaction.atomic(using=db.alias), db.cursor() as cursor:  # all of them, or none
            cursor.executemany(statement(one, db.vendor), bound)
            cursor.execute("SELECT last_insert_rowid()")
            # AUTOINCREMENT counts on by one, and nobody else writes meanwhile
            first = cursor.fetchone()[0] - len(rows) + 1
        now = at if settings.USE_TZ else at.replace(tzinfo=None)
        return [(first + number, now + timedelta(seconds=delay), now) for number, (_, delay) in enumerate(rows)]

    def prepare(self, db: BaseDatabaseWrapper) -> None:
        """Let several processes write to the file of the deliveries; one in memory is a process's own."""
        sqlite, options = cast(Any, db), db.settings_dict["OPTIONS"]
        if not conf.prepare_sqlite or db.alias != router.db_for_write(Delivery) or sqlite.is_in_memory_db():
            return
        commands = str(options.get("init_command", "")).lower()
        if "transaction_mode" not in options:
            sqlite.transaction_mode = "IMMEDIATE"  # Django sets it anew from the options at each connect
        # Django copies the file for tests that run side by side, and would leave a log behind
        if "journal_mode" not in commands and not is_test_run():
            with suppress(Error), db.wrap_database_errors:  # it is read-only, or in use; a check tells
                sqlite.connection.execute("PRAGMA journal_mode = WAL")
        if "timeout" not in options and "busy_timeout" not in commands:
            sqlite.connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT * 1000}")

    def wait(self, db: BaseDatabaseWrapper, listener: ChangeListener, seconds: float) -> Change:
        """Look at the counter that SQLite keeps of other connections' commits, which takes no lock."""
        end = time.monotonic() + seconds
        execute_raw = cast(Any, db.connection).execute
        if listener.commits is None:
            with db.wrap_database_errors:
                listener.commits = watch(execute_raw("PRAGMA database_list").fetchone()[2])
        while True:
            with db.wrap_database_errors:
                version = execute_raw("PRAGMA data_version").fetchone()[0]
            if version != listener.version:
                listener.commits.found()
                listener.version = version
                return Change.ANY
            if (left := end - time.monotonic()) <= 0:
                return Change.NONE
            listener.commits.sleep(left, listener.alarm)
            if _can_be_read(listener.alarm, 0):
                return Change.NONE

    def rest(self, db: BaseDatabaseWrapper, listener: ChangeListener, *, briefly: bool) -> None:
        if not briefly and listener.commits and listener.commits.close():
            listener.commits = None

    @contextmanager
    def lock_timeout(self, db: BaseDatabaseWrapper, seconds: float) -> Iterator[None]:
        with db.cursor() as cursor:
            before = cursor.execute("PRAGMA busy_timeout").fetchone()[0]
            cursor.execute(f"PRAGMA busy_timeout = {seconds * 1000:.0f}")
        try:
            with transaction.atomic(using=db.alias):
                yield
        finally:
            with db.cursor() as cursor:
                cursor.execute(f"PRAGMA busy_timeout = {before}")

    def time_limit(self, db: BaseDatabaseWrapper, seconds: float) -> AbstractContextManager[None]:
        db.settings_dict["OPTIONS"]["timeout"] = seconds
        return nullcontext()

    def journal_mode(self, db: BaseDatabaseWrapper) -> str | None:
        if cast(Any, db).is_in_memory_db():
            return None
        with db.cursor() as cursor:
            cursor.execute("PRAGMA journal_mode")
            return str(cursor.fetchone()[0])

    def in_transaction(self, raw: Any) -> bool:
        return bool(raw.in_transaction)

    def session_state(self, raw: Any) -> tuple[object, ...] | None:
        try:
            return raw.row_factory, raw.text_factory, raw.isolation_level
        except Exception:
            return None

    def free_write_lock(self, raw: Any) -> None:
        # a query that is under way is interrupted first, for closing would wait for it
        raw.interrupt()
        time.sleep(INTERRUPTION)
        raw.close()


class PostgreSQL(Database):
    """Rows are locked one by one, the clock is the server's, and senders wake pushers with NOTIFY."""

    _UNSYNCED = " AND set_config('synchronous_commit', 'off', true) = 'off'"
    _due = (
        f"{BANDS} SELECT picked.id FROM band CROSS JOIN LATERAL ({_OF_BAND}{{lock}}) picked "
        "ORDER BY picked.priority DESC, picked.due_at, picked.id LIMIT %(limit)s"
    )
    fragments: ClassVar[Mapping[str, str]] = {
        # stable within a statement, so it can bound an index scan; clock_timestamp() could not
        "now": "statement_timestamp()",
        "later": "(statement_timestamp() + %(delay)s * interval '1 second')",
        "earlier": "(statement_timestamp() - %(ago)s * interval '1 second')",
        "due": _due.replace("{lock}", ""),
        # an array is made once; a plan may run a subquery of IN again for each row, and lock and take more than its
        # limit
        "among_due": f"= ANY (ARRAY({_due.replace('{lock}', ' FOR UPDATE SKIP LOCKED')}))",
        "among_ids": "= ANY (%(ids)s)",
        "among": "= ANY (ARRAY(",
        "those": "))",
        # arrays, whose length the planner knows: it would take JSON for a hundred rows, and may read the whole table
        "ended": "(SELECT id, token, done, total, {now} - began * interval '1 second' AS started_at, "
        "{now} - ago * interval '1 second' AS finished_at FROM unnest(CAST(%(ended0)s AS bigint[]), "
        "CAST(%(ended1)s AS integer[]), CAST(%(ended2)s AS float8[]), CAST(%(ended3)s AS float8[]), "
        "CAST(%(ended4)s AS bigint[]), CAST(%(ended5)s AS bigint[])) AS one(id, token, began, ago, done, total))",
        "yes": "TRUE",
        "no": "FALSE",
        "clock": "clock_timestamp()",
        "skip_locked": "FOR UPDATE SKIP LOCKED",
        "for_update": "FOR UPDATE",
        "for_share": "FOR SHARE",
        "lane_lock": "CASE WHEN lane <> '' THEN CAST(pg_advisory_xact_lock(hashtextextended(lane, 0)) AS text) END",
        "unsynced": _UNSYNCED,
        "unsynced_here": _UNSYNCED,
        # the NOTIFY rides along with the INSERT, and only while a cluster of the queue sleeps: one at every commit
        # would halve the rate of inserts
        "returning": f" RETURNING id, due_at, enqueued_at, ({_NOTIFY} AND %(delay)s < {SOON})::text",
        "returning_many": " RETURNING id, due_at, enqueued_at, (SELECT count(pg_notify('signals_app', i.queue)) "
        "FROM signals_app_idlequeue i WHERE i.queue = ANY (%(queues)s) AND i.until > {now})",
    }

    writes_in_queries = True

    # psycopg's, written out: other databases than that of the deliveries may do without it
    _ACTIVE, _IN_TRANSACTION, _IN_ERROR = 1, 2, 3
    # what libpq knows without asking
    _REPORTED = (b"TimeZone", b"session_authorization", b"default_transaction_read_only")
    _RESTORED = ("session_authorization", "role", "search_path", "statement_timeout", "lock_timeout")

    def bind(self, db: BaseDatabaseWrapper, params: dict[str, Any], at: datetime | None = None) -> dict[str, Any]:
        if "ended" in params:
            columns = zip(*params.pop("ended"), strict=True)
            params |= {f"ended{number}": list(column) for number, column in enumerate(columns)}
        return params

    def inserted(self, cursor: Any, at: datetime, delay: float) -> Inserted:
        return cast(Inserted, cursor.fetchone()[:3])

    def insert_many(self, db: BaseDatabaseWrapper, one: str, many: str, rows: Rows, at: datetime) -> list[Inserted]:
        values = [(*row.values(), delay) for row, delay in rows]
        text = json.dumps(values, default=attrgetter("hex"), ensure_ascii=False)  # emissions are UUIDs
        queues = sorted({row["queue"] for row, delay in rows if delay < SOON})
        with execute(db, many, {"rows": text, "queues": queues}) as cursor:
            return sorted(row[:3] for row in cursor.fetchall())

    def wait(self, db: BaseDatabaseWrapper, listener: ChangeListener, seconds: float) -> Change:
        """Sleep until a sender's NOTIFY.

        A transaction that began before we lay down and commits after our last look does not notify; the naps, doubling
        up to ``poll`` seconds, catch it.
        """
        raw = cast(Any, db.connection)
        if listener.listening is not raw:
            with db.cursor() as cursor:
                cursor.execute("LISTEN signals_app")
            listener.listening = raw
            if not listener.is_noting:
                return Change.ANY  # what was sent before is not heard of
        if listener.is_noting and self._note_sleep(listener):
            return Change.ANY  # look once more: whoever wrote before the note did not notify
        end = time.monotonic() + (min(seconds, listener.nap) if listener.is_noting else seconds)
        while True:
            with db.wrap_database_errors:
                # all that have come: one that is left behind would end a later wait, and wake a worker for nothing
                notes = set[str]()
                while came := {note.payload for note in raw.notifies(timeout=0)}:
                    notes |= came
            if listener.queue in notes:
                listener.reset()
                return Change.OURS
            left = end - time.monotonic()
            if left <= 0 or _can_be_read(listener.alarm, 0):
                break
            with db.wrap_database_errors:
                descriptors = [raw.fileno(), *listener.alarm]
            _can_be_read(descriptors, left)
        listener.nap = min(listener.poll, listener.nap * 2)
        return Change.NONE

    def rest(self, db: BaseDatabaseWrapper, listener: ChangeListener, *, briefly: bool) -> None:
        if listener.listening is db.connection:
            with db.cursor() as cursor:
                cursor.execute("UNLISTEN signals_app")
        listener.listening = None

    def wake(self, queue: str) -> None:
        rows(_NOTIFY, queue=queue)

    def _note_sleep(self, listener: ChangeListener) -> bool:
        """Tell senders that we sleep, before the last note runs out. Returns whether there was a gap before it."""
        since = time.monotonic() - listener.noted
        if since < SLEEP_NOTE / 2:
            return False
        write(_SLEEP, queue=listener.queue, delay=SLEEP_NOTE)
        listener.noted = time.monotonic()
        return since > SLEEP_NOTE

    @contextmanager
    def lock_timeout(self, db: BaseDatabaseWrapper, seconds: float) -> Iterator[None]:
        with transaction.atomic(using=db.alias):
            with db.cursor() as cursor:
                cursor.execute(f"SET LOCAL lock_timeout = {seconds * 1000:.0f}")
            yield

    @contextmanager
    def time_limit(self, db: BaseDatabaseWrapper, seconds: float) -> Iterator[None]:
        options = db.settings_dict["OPTIONS"]
        options.pop("pool", None)
        options["connect_timeout"] = max(2, math.ceil(seconds))  # libpq takes no less than two
        options["tcp_user_timeout"] = math.ceil(seconds * 1000)
        # local to a transaction: a pooler would hand any other setting on to its next client
        with transaction.atomic(using=db.alias):
            with db.cursor() as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = {math.ceil(seconds * 1000)}")
            yield

    def _status(self, raw: Any) -> int | None:
        pgconn = getattr(raw, "pgconn", None)
        return pgconn and pgconn.transaction_status

    def in_transaction(self, raw: Any) -> bool:
        return self._status(raw) in (self._IN_TRANSACTION, self._IN_ERROR)

    def is_aborted(self, raw: Any) -> bool:
        return self._status(raw) == self._IN_ERROR

    def session_state(self, raw: Any) -> tuple[object, ...] | None:
        pgconn = getattr(raw, "pgconn", None)
        if pgconn and raw.closed:
            return None
        return (raw.row_factory, *map(pgconn.parameter_status, self._REPORTED)) if pgconn else ()

    def local_settings(self, db: BaseDatabaseWrapper) -> dict[str, str]:
        if not db.in_atomic_block or self.is_aborted(db.connection):
            return {}
        with db.cursor() as cursor:
            cursor.execute(f"SELECT {', '.join(f'current_setting({name!r})' for name in self._RESTORED)}")
            return dict(zip(self._RESTORED, cursor.fetchone(), strict=True))

    def restore_local_settings(self, db: BaseDatabaseWrapper, kept: Mapping[str, str]) -> None:
        with db.cursor() as cursor:
            for name, value in kept.items():
                cursor.execute("SELECT set_config(%s, %s, true)", [name, value])

    def cancel(self, db: BaseDatabaseWrapper) -> None:
        if self._status(db.connection) == self._ACTIVE:
            with suppress(Error), db.wrap_database_errors:
                cast(Any, db.connection).cancel_safe(timeout=5)


_DATABASES: dict[str, Database] = {"sqlite": SQLite(), "postgresql": PostgreSQL()}
_OTHER = Database()


def connection() -> BaseDatabaseWrapper:
    """Return this thread's connection to the database that holds the deliveries."""
    return connections[router.db_for_write(Delivery)]


def database(db: BaseDatabaseWrapper) -> Database:
    """Return what is particular to the database of a connection."""
    return _DATABASES.get(db.vendor, _OTHER)


def prepare(connection: BaseDatabaseWrapper, **kwargs: object) -> None:
    """Prepare a connection that was just made; a signal receiver."""
    database(connection).prepare(connection)


@lru_cache(maxsize=200)  # those with a list of values come in many lengths
def statement(template: str, vendor: str, is_within: bool = False) -> str:
    """Fill ``{table}``, ``{bands}`` and the database's fragments, such as ``{now}``, into a statement.

    ``is_within`` a transaction of somebody else's, when to wait for the disk is not for the statement to say.
    """
    own = {"table": TABLE, "bands": BANDS, **_DATABASES[vendor].fragments, **({"unsynced": ""} if is_within else {})}
    return template.format_map({name: text.format_map(own) for name, text in own.items()})


def execute(db: BaseDatabaseWrapper, template: str, params: dict[str, Any], at: datetime | None = None) -> Any:
    """Run one statement of the ledger on this connection and return its cursor, open."""
    bound = database(db).bind(db, params, at)
    cursor = db.cursor()
    cursor.execute(statement(template, db.vendor, db.in_atomic_block), bound)
    return cursor


def rows(template: str, **params: Any) -> list[tuple[Any, ...]]:
    """Run one statement of the ledger and return its rows."""
    with execute(connection(), template, params) as cursor:
        return list(cursor.fetchall())


def write(template: str, **params: Any) -> int:
    """Run one statement of the ledger that returns no rows, and return how many it wrote."""
    with execute(connection(), template, params) as cursor:
        return int(cursor.rowcount)


def to_datetime(value: Any) -> datetime:
    """Return a time of the clock that a statement answered, as the ORM would have read it."""
    db = connection()
    return database(db).to_datetime(db, value)


def now() -> datetime:
    """Return the time by the database's clock, as the ORM would have read it."""
    ((answer,),) = rows("SELECT {now}")
    return to_datetime(answer)


def short_lock_timeout(seconds: float = 0.2) -> AbstractContextManager[None]:
    """Return a transaction that waits only a moment for a lock: a receiver may hold it for long."""
    db = connection()
    return database(db).lock_timeout(db, seconds)


@contextmanager
def query_deadline(seconds: float) -> Iterator[None]:
    """Let the block read the deliveries over a new connection that waits about ``seconds`` for whatever it needs.

    The thread's own might be broken, or wait for minutes. Raises django.db.Error where the database does not answer.
    Within a transaction, such as a test's, that one is used: another connection would not see what it wrote.
    """
    own = connection()
    if own.in_atomic_block:
        yield
        return
    brief = own.copy()
    connections[own.alias] = brief
    try:
        with database(brief).time_limit(brief, seconds):
            yield
    finally:
        connections[own.alias] = own
        brief.close()


def missing_tables(*models: type[Model]) -> str:
    """Return a sentence that says to migrate where one of these models has no table.

    It is empty where all have one, and where the database does not tell within two seconds.
    """
    with suppress(Error), query_deadline(2.0):
        for model in models:
            db = connections[router.db_for_write(model)]
            if model._meta.db_table not in db.introspection.table_names(include_views=True):
                option = "" if db.alias == DEFAULT_DB_ALIAS else f" --database {db.alias}"
                lacks = f"The database {db.alias!r} lacks the tables of {model._meta.app_label}."
                return f"{lacks} Run: python manage.py migrate{option}"
    return ""
