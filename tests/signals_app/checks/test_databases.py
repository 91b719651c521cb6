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
from tests.signals_app.checks.said import assert_said, paste

SQLITE = "django.db.backends.sqlite3"
POSTGRESQL = "django.db.backends.postgresql"


def test_a_database_that_we_do_not_speak_is_an_error(odd_database: dict[str, Any]) -> None:
    odd_database["ENGINE"] = "django.db.backends.dummy"
    assert_said(check_database(), "E007", "The database 'odd' is unknown")


UNPREPARED = {"SIGNALS_APP": {"PREPARE_SQLITE": False}}
DEFERRED = "'odd' does not begin its transactions IMMEDIATE"
IN_ZONE = "'odd' stores times as the clocks of Europe/Berlin show them"
STRICT = "'odd' are stricter than READ COMMITTED"


@pytest.mark.parametrize(
    ("engine", "given", "site", "identity", "said"),
    [
        (SQLITE, {"OPTIONS": {"transaction_mode": "DEFERRED"}}, {}, "E008", DEFERRED),
        (SQLITE, {"OPTIONS": {"transaction_mode": None}}, {}, "E008", DEFERRED),
        (SQLITE, {}, UNPREPARED, "E008", DEFERRED),
        (SQLITE, {"TIME_ZONE": "Europe/Berlin"}, {}, "E022", IN_ZONE),
        (SQLITE, {}, {"USE_TZ": False, "TIME_ZONE": "Europe/Berlin"}, "E022", IN_ZONE),
        (POSTGRESQL, {"AUTOCOMMIT": False}, {}, "E019", "'odd' has AUTOCOMMIT off"),
        (POSTGRESQL, {"OPTIONS": {"isolation_level": IsolationLevel.REPEATABLE_READ}}, {}, "E018", STRICT),
        (POSTGRESQL, {"OPTIONS": {"isolation_level": IsolationLevel.SERIALIZABLE}}, {}, "E018", STRICT),
    ],
)
def test_a_database_that_is_set_up_wrong_is_an_error_and_the_hint_mends_it(
    engine: str, given: dict[str, Any], site: dict[str, Any], identity: str, said: str, odd_database: dict[str, Any]
) -> None:
    odd_database |= {"ENGINE": engine, "OPTIONS": {}, **given}
    settings = {"DATABASES": connections.settings, **site}
    with override_settings(**site):
        assert_said(check_database(), identity, said)
        paste(check_database(), settings)
        del connections["odd"]  # it has read them
        with override_settings(**{name: value for name, value in settings.items() if name != "DATABASES"}):
            assert [*check_database()] == []


@pytest.mark.parametrize(
    ("engine", "given", "site"),
    [
        (SQLITE, {}, {}),
        (SQLITE, {"OPTIONS": {"transaction_mode": "immediate"}}, UNPREPARED),
        (SQLITE, {"TIME_ZONE": "UTC"}, {"TIME_ZONE": "Asia/Kolkata"}),
        (SQLITE, {}, {"USE_TZ": False, "TIME_ZONE": "UTC"}),
        (POSTGRESQL, {"OPTIONS": {"isolation_level": IsolationLevel.READ_COMMITTED}}, {}),
    ],
)
def test_a_database_that_is_set_up_right_is_not_told(
    engine: str, given: dict[str, Any], site: dict[str, Any], odd_database: dict[str, Any]
) -> None:
    odd_database |= {"ENGINE": engine, "OPTIONS": {}, **given}
    with override_settings(**site):
        assert [*check_database()] == []


def test_a_database_that_is_not_there_is_an_error(
    odd_database: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(connections.settings, "odd")
    assert_said([*check_database(), *check_journal(databases=["odd"])], "E015", "the database 'odd'")


@pytest.mark.parametrize(("name", "version"), [("psycopg2", "2.9.10 (dt dec pq3 ext lo64)"), ("psycopg", "3.1.20")])
def test_a_driver_that_cannot_wait_for_notifications_is_an_error(
    odd_database: dict[str, Any], name: str, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd_database |= {"ENGINE": POSTGRESQL, "OPTIONS": {}}
    # the driver is not installed here; Django puts its module in this place
    monkeypatch.setattr(connections["odd"], "Database", SimpleNamespace(__name__=name, __version__=version))
    assert_said(check_database(), "E017", f"'odd' is reached by {name} {version.split()[0]},")


@pytest.mark.parametrize("mode", ["delete", "memory", "off"])
def test_sqlite_without_wal_is_an_error_and_the_hint_mends_it(mode: str, odd_file: dict[str, Any]) -> None:
    odd_file["OPTIONS"]["init_command"] = f"PRAGMA journal_mode={mode}"
    assert [*check_database()] == []
    found = [*check_journal(databases=["default", "odd"])]
    assert_said(found, "E016", f"The SQLite database 'odd' is in journal mode {mode!r}")
    paste(found, {"DATABASES": connections.settings})
    connections["odd"].close()
    assert [*check_journal(databases=["odd"])] == []


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
