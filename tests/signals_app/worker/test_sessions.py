"""A worker's database connections: each process of a cluster has its own, and no receiver gets another's session."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections, transaction

from signals_app.models import Attempt, State
from signals_app.worker import loop
from signals_app.worker.connections import keep_connections
from tests.cluster import Cluster, wait_for_end
from tests.testapp.models import Effect
from tests.testapp.receivers import atomic_work, enqueue, leave_effect, nothing, tells_connection, work

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ({"CONN_MAX_AGE": 0}, {"CONN_MAX_AGE": 600, "CONN_HEALTH_CHECKS": True}),
        ({"CONN_MAX_AGE": 60}, {"CONN_MAX_AGE": 600, "CONN_HEALTH_CHECKS": True}),
        ({"CONN_MAX_AGE": 3600}, {"CONN_MAX_AGE": 3600}),
        ({"CONN_MAX_AGE": None}, {"CONN_MAX_AGE": None}),
        ({"CONN_MAX_AGE": 0, "OPTIONS": {"pool": True}}, {"CONN_MAX_AGE": 600, "CONN_HEALTH_CHECKS": True}),
    ],
    ids=str,
)
def test_a_cluster_keeps_its_connections_whatever_is_written_for_the_web(
    written: dict[str, Any], kept: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    written.setdefault("OPTIONS", {})["application_name"] = "site"
    monkeypatch.setitem(connections.settings, "webs", written)
    for alias in ("default", "other"):
        monkeypatch.setitem(connections.settings, alias, dict(connections.settings[alias]))
    keep_connections()
    assert written == kept | {"OPTIONS": {"application_name": "site"}}


def test_a_worker_has_one_connection_for_all_hints(tmp_path: Path) -> None:
    with Cluster(tmp_path / "log", WORKERS="1", TEST_CONN_MAX_AGE="0"):
        for _ in range(3):  # a hint each
            wait_for_end([enqueue(tells_connection)])
    assert len(set(Effect.objects.values_list("pid", "detail"))) == 1
    assert Effect.objects.count() == 3


def test_the_processes_of_a_cluster_do_not_share_what_is_in_a_pool(tmp_path: Path) -> None:
    pool = {"TEST_OPTIONS": '{"pool": true}'} if connection.vendor == "postgresql" else {}  # SQLite has none
    with Cluster(tmp_path / "log", **pool):
        deliveries = [enqueue(work) for _ in range(50)]
        wait_for_end(deliveries)
    assert {(delivery.state, delivery.attempts) for delivery in deliveries} == {(State.SUCCESSFUL, 1)}


POSTGRESQL = [
    "SET search_path TO pg_catalog",
    "SET ROLE pg_read_all_data",
    "SET SESSION AUTHORIZATION pg_read_all_data",
    "SET default_transaction_read_only = on",
    "SET statement_timeout = 1",
    "SET TIME ZONE 'Asia/Tokyo'",
    "/* a comment */ SELECT set_config('search_path', 'pg_catalog', false)",
    "SELECT pg_advisory_lock(42)",
    "LISTEN somebody",
    "CREATE TEMP TABLE signals_app_delivery (id int)",
    "SELECT 1 AS id INTO TEMP signals_app_delivery",
    "PREPARE mine AS SELECT 1",
    "DECLARE mine CURSOR WITH HOLD FOR SELECT 1",
    "DO $$ BEGIN SET search_path TO pg_catalog; END $$",
]
SQLITE = [
    "PRAGMA query_only = ON",
    "PRAGMA foreign_keys = OFF",
    "PRAGMA synchronous = OFF",
    "ATTACH ':memory:' AS beside",
    "CREATE TEMP TABLE signals_app_delivery (id int)",
]
CHANGES = POSTGRESQL if connection.vendor == "postgresql" else SQLITE
# what hides the ledger's own table, or makes the transaction unfit for it, an atomic receiver is told as its error
ITS_OWN_FAULT = {*SQLITE} - {"PRAGMA foreign_keys = OFF"} | {one for one in CHANGES if "TEMP" in one}
CASES = [(work, one) for one in CHANGES] + [(atomic_work, one) for one in CHANGES if one not in ITS_OWN_FAULT]


def session() -> list[object]:
    """Return what a receiver could have changed in its session."""
    queries = {
        "postgresql": [
            "SELECT name, setting FROM pg_settings WHERE source = 'session' ORDER BY name",
            "SELECT current_user, session_user, current_schemas(false), pg_my_temp_schema()",
            "SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()",
            "SELECT pg_listening_channels()",
            "SELECT name FROM pg_prepared_statements",
            "SELECT name FROM pg_cursors WHERE is_holdable",
        ],
        "sqlite": [
            *(f"PRAGMA {name}" for name in ("query_only", "foreign_keys", "synchronous")),
            "SELECT name FROM pragma_database_list WHERE name <> 'temp'",
            "SELECT name FROM sqlite_temp_master",
        ],
    }
    with connection.cursor() as cursor:
        return [(query, cursor.execute(query) and cursor.fetchall()) for query in queries[connection.vendor]]


def run(monkeypatch: pytest.MonkeyPatch, receiver: Any, func: Callable[[], object]) -> None:
    """Run a delivery of a receiver that does something else for once, and assert that it succeeded at once."""

    def instead(**kwargs: Any) -> None:
        leave_effect("before")
        func()

    monkeypatch.setattr(receiver, "func", instead)
    delivery = enqueue(receiver)
    assert loop.drain(delivery.queue) == 1
    delivery.refresh_from_db()
    ends = list(Attempt.objects.values_list("error_class", "message"))
    assert (delivery.state, delivery.attempts, ends) == (State.SUCCESSFUL, 1, [])
    assert Effect.objects.filter(label="before").count() == 1
    Effect.objects.all().delete()


def by_cursor(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def by_composed_statement(statement: str) -> None:
    if connection.vendor == "postgresql":
        from psycopg import sql

        with connection.cursor() as cursor:
            cursor.execute(sql.SQL("{}").format(sql.SQL(statement)))


def behind_django(statement: str) -> None:
    raw: Any = connection.connection
    raw.execute(statement)


@pytest.mark.parametrize(
    ("receiver", "statement", "execute"),
    [
        *((receiver, statement, by_cursor) for receiver, statement in CASES),
        *((work, CHANGES[0], execute) for execute in (behind_django, by_composed_statement)),
    ],
)
def test_what_a_receiver_changes_in_its_session_reaches_neither_the_ledger_nor_the_next_one(
    receiver: Any, statement: str, execute: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = session()
    run(monkeypatch, receiver, lambda: execute(statement))
    assert session() == before


def test_a_receiver_may_have_a_role_and_a_path_of_its_own_within_its_transaction(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before, raw = session(), connection.connection
    local = "SET LOCAL ROLE pg_read_all_data" if connection.vendor == "postgresql" else "SELECT 1"  # SQLite has none
    run(monkeypatch, atomic_work, lambda: by_cursor(local))
    assert (session(), connection.connection) == (before, raw)


def test_a_receiver_that_changed_nothing_leaves_the_connection_to_the_next_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection.ensure_connection()
    before = connection.connection

    def in_a_transaction() -> None:
        with transaction.atomic(), transaction.atomic():
            list(Effect.objects.all())
            Effect.objects.filter(pk=0).update(label="")

    run(monkeypatch, work, in_a_transaction)
    assert connection.connection is before


def as_dicts() -> None:
    raw: Any = connection.connection
    if connection.vendor == "postgresql":
        from psycopg.rows import dict_row

        raw.row_factory = dict_row
    else:
        raw.row_factory = lambda cursor, row: {column[0]: row[n] for n, column in enumerate(cursor.description)}


def close_behind_django() -> None:
    raw: Any = connection.connection
    raw.close()


@pytest.mark.parametrize("spoil", [as_dicts, close_behind_django])
def test_a_connection_that_was_spoiled_behind_django_is_opened_anew_for_the_next_receiver(
    monkeypatch: pytest.MonkeyPatch, spoil: Callable[[], None]
) -> None:
    run(monkeypatch, work, spoil)
    run(monkeypatch, atomic_work, lambda: None)


def test_a_transaction_begun_behind_django_is_undone_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def begin(**kwargs: Any) -> None:
        by_cursor("BEGIN")
        leave_effect("within")

    monkeypatch.setattr(nothing, "func", begin)
    delivery = enqueue(nothing)
    loop.drain(delivery.queue)
    delivery.refresh_from_db()
    assert delivery.state == State.READY
    assert "The receiver returned with a transaction open on default" in Attempt.objects.get().message
    assert not Effect.objects.exists()


def test_a_wrapper_that_a_receiver_installed_stays_and_the_watch_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    def passing(execute: Callable[..., Any], *args: Any) -> Any:
        return execute(*args)

    run(monkeypatch, work, lambda: connection.execute_wrappers.append(passing))
    assert connection.execute_wrappers == [passing]
    connection.execute_wrappers.remove(passing)
