"""What is said of a database that deliveries cannot well be kept in."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection, connections
from django.test import override_settings
from psycopg import IsolationLevel

from signals_app.checks import check_database, check_journal
from tests.signals_app.checks.said import assert_said


def test_a_database_that_we_do_not_speak_is_an_error(odd_database: dict[str, Any]) -> None:
    odd_database["ENGINE"] = "django.db.backends.dummy"
    assert_said(check_database(), "E007", "The database 'odd' is unknown")


@pytest.mark.parametrize(
    ("options", "prepares", "is_right"),
    [
        ({}, True, True),
        ({"transaction_mode": "immediate"}, False, True),
        ({"transaction_mode": None}, True, False),
        ({"transaction_mode": "DEFERRED"}, True, False),
        ({}, False, False),
    ],
)
def test_sqlite_whose_transactions_do_not_begin_immediate_is_an_error(
    odd_database: dict[str, Any], options: dict[str, Any], prepares: bool, is_right: bool
) -> None:
    odd_database["OPTIONS"] = options
    with override_settings(SIGNALS_APP={"PREPARE_SQLITE": prepares}):
        found = [*check_database()]
    if is_right:
        assert found == []
    else:
        assert_said(found, "E008", "'odd' does not begin its transactions IMMEDIATE")


@pytest.mark.parametrize(("zone", "steady"), [("Europe/Berlin", False), ("Africa/Casablanca", False), ("UTC", True)])
@pytest.mark.parametrize("use_tz", [True, False])
def test_sqlite_that_keeps_the_times_of_clocks_that_are_changed_is_an_error(
    odd_database: dict[str, Any], zone: str, steady: bool, use_tz: bool
) -> None:
    odd_database |= {"TIME_ZONE": zone} if use_tz else {}
    with override_settings(USE_TZ=use_tz, TIME_ZONE="Asia/Kolkata" if use_tz else zone):
        found = [*check_database()]
    if steady:
        assert found == []
    else:
        assert_said(found, "E022", f"'odd' stores times as the clocks of {zone} show them")


def test_a_database_that_is_not_there_is_an_error(
    odd_database: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(connections.settings, "odd")
    assert_said([*check_database(), *check_journal(databases=["odd"])], "E015", "the database 'odd'")


@pytest.fixture
def odd_postgresql(odd_database: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a PostgreSQL that is never connected to."""
    odd_database |= {"ENGINE": "django.db.backends.postgresql", "OPTIONS": {}}
    return odd_database


@pytest.mark.parametrize("level", [IsolationLevel.REPEATABLE_READ, IsolationLevel.SERIALIZABLE])
def test_transactions_that_fail_beside_a_heartbeat_are_an_error(
    odd_postgresql: dict[str, Any], level: IsolationLevel
) -> None:
    odd_postgresql["OPTIONS"] = {"isolation_level": IsolationLevel.READ_COMMITTED}
    assert [*check_database()] == []
    odd_postgresql["OPTIONS"]["isolation_level"] = level
    assert_said(check_database(), "E018", "'odd' are stricter than READ COMMITTED")


def test_a_database_that_commits_nothing_by_itself_is_an_error(odd_postgresql: dict[str, Any]) -> None:
    odd_postgresql["AUTOCOMMIT"] = False
    assert_said(check_database(), "E019", "'odd' has AUTOCOMMIT off")


@pytest.mark.parametrize(("name", "version"), [("psycopg2", "2.9.10 (dt dec pq3 ext lo64)"), ("psycopg", "3.1.20")])
def test_a_driver_that_cannot_wait_for_notifications_is_an_error(
    odd_postgresql: dict[str, Any], name: str, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the driver is not installed here; Django puts its module in this place
    monkeypatch.setattr(connections["odd"], "Database", SimpleNamespace(__name__=name, __version__=version))
    assert_said(check_database(), "E017", f"'odd' is reached by {name} {version.split()[0]},")


@pytest.mark.parametrize("mode", ["delete", "memory", "off"])
def test_sqlite_without_wal_is_an_error(mode: str, odd_file: dict[str, Any]) -> None:
    odd_file["OPTIONS"]["init_command"] = f"PRAGMA journal_mode={mode}"
    assert [*check_database()] == []
    found = [*check_journal(databases=["default", "odd"])]
    assert_said(found, "E016", f"The SQLite database 'odd' is in journal mode {mode!r}")


def test_sqlite_where_there_can_be_no_wal_is_to_be_moved(odd_file: dict[str, Any]) -> None:
    sqlite3.connect(odd_file["NAME"]).close()
    odd_file["NAME"] = f"file:{odd_file['NAME']}?mode=ro"
    assert_said(check_journal(databases=["odd"]), "E016", f"Move {odd_file['NAME']} to a local disk")


@override_settings(SIGNALS_APP={"PREPARE_SQLITE": False})
def test_sqlite_is_right_in_wal_whoever_put_it_there(odd_file: dict[str, Any]) -> None:
    made = sqlite3.connect(odd_file["NAME"])
    made.execute("PRAGMA journal_mode=WAL")
    made.close()
    assert [*check_journal(databases=["odd"])] == []


@pytest.mark.parametrize("databases", [None, [], ["default"]])
def test_the_database_is_opened_only_where_that_is_asked_for(
    databases: list[str] | None, odd_file: dict[str, Any]
) -> None:
    assert [*check_journal(databases=databases)] == []
    assert not Path(odd_file["NAME"]).exists()


@pytest.mark.parametrize("name", [":memory:", "/no/such/directory/odd.sqlite3"])
def test_a_database_in_memory_or_one_that_cannot_be_opened_has_no_journal_to_check(
    name: str, odd_file: dict[str, Any]
) -> None:
    odd_file["NAME"] = name
    assert [*check_journal(databases=["odd"])] == []


@pytest.mark.database
@pytest.mark.django_db
def test_the_database_of_the_tests_is_right() -> None:
    assert [*check_database(), *check_journal(databases=[connection.alias])] == []
