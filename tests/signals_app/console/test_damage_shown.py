"""What was forged or damaged after its end is shown as it stands; no page and no command fails of it."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.urls import reverse

from signals_app import ledger
from signals_app.models import ClusterStat, Delivery, PauseKind, State, Tally
from tests.signals_app.console.admin.rows import attempt, delivery
from tests.signals_app.console.terminal.commands import read, told

pytestmark = [pytest.mark.django_db, pytest.mark.database]

TIMES: list[Any] = ["infinity", "-infinity", "20000-01-01", "0044-03-15 BC"]
TIMES_OF_SQLITE: list[Any] = ["zzz", "", "2026-11-27 junk", 5, b"blob"]  # PostgreSQL stores no such values


@pytest.fixture
def row(db: None) -> Delivery:
    """A delivery that has failed, with all that pages show beside it."""
    one = delivery(State.FAILED)
    attempt(one)
    ledger.pause(PauseKind.QUEUE, "elsewhere")
    ledger.keep_stat("key", "junk", queue="q", host="here", seconds=60)
    Tally.objects.create(measure="RUN", queue="q", receiver="r", count=1, seconds=1)
    return one


def damage(table: str, column: str, value: Any) -> bool:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"UPDATE signals_app_{table} SET {column} = %s", [value])
    except (DatabaseError, ValueError):
        return False
    return True


def look(client: Client, one: Delivery) -> str:
    """Read every page and command that shows records; return the delivery's page."""
    page = reverse("admin:signals_app_delivery_change", args=[one.pk])
    lists = (reverse(f"admin:signals_app_{name}_changelist") for name in ("delivery", "attempt", "overview"))
    for url in (*lists, reverse("admin:signals_app_emission", args=[one.emission]), page):
        answer = client.get(url)
        assert answer.status_code == 200, url
    assert client.get(reverse("signals_app:health")).status_code in (200, 503)
    read("status")
    read("list")
    read("show", one.pk)
    told("list")
    told("show", one.pk)
    ledger.newest_runs()
    ledger.clusters()
    ledger.read_tallies()
    return str(answer.content.decode())


TIME_COLUMNS = [
    (name, field.attname)
    for name in ("delivery", "attempt", "pause", "clusterstat", "maintenancetask", "idlequeue")
    for field in apps.get_model("signals_app", name)._meta.concrete_fields
    if field.get_internal_type() == "DateTimeField"
]


@pytest.mark.parametrize(
    "value", [*TIMES, *(pytest.param(one, marks=pytest.mark.database("sqlite")) for one in TIMES_OF_SQLITE)], ids=repr
)
def test_a_time_that_is_none_is_shown_and_breaks_no_page(value: Any, row: Delivery, admin_client: Client) -> None:
    assert sum(damage(table, column, value) for table, column in TIME_COLUMNS)
    look(admin_client, row)


@pytest.mark.parametrize("state", State.values)
def test_a_time_that_is_none_breaks_no_page_in_any_state(state: str, row: Delivery, admin_client: Client) -> None:
    damage("delivery", "state", state)
    for value in ("infinity", "-infinity", "zzz", ""):
        if all(damage("delivery", f"{name}_at", value) for name in ("due", "started", "finished", "enqueued")):
            look(admin_client, row)


def test_a_state_and_an_outcome_that_nobody_knows_are_shown(row: Delivery, admin_client: Client) -> None:
    assert damage("delivery", "state", "ODD")
    assert damage("attempt", "outcome", "STRANGE")
    assert damage("pause", "kind", "QUEER")
    assert damage("tally", "measure", "WHAT")
    page = look(admin_client, row)
    assert ">ODD<" in page
    assert "STRANGE" in page
    assert "ODD" in told("show", row.pk)
    assert ClusterStat.objects.count() == 1
