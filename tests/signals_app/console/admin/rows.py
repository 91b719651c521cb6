"""Deliveries and attempts as a cluster would have left them, and members of staff who look at them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from uuid import uuid4

from django.contrib.auth.models import Permission, User
from django.db import connection
from django.db.models import QuerySet
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from signals_app.models import FINAL_STATES, Attempt, Delivery, Outcome, State
from tests.testapp.receivers import nothing

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
OWNER = "worker-3.example.org/b00t.4026531836/4711/998877"

DELIVERIES = "admin:signals_app_delivery_changelist"
ATTEMPTS = "admin:signals_app_attempt_changelist"
OVERVIEW = "admin:signals_app_overview_changelist"


def at(seconds: float) -> datetime:
    """Return a moment so many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def delivery(state: State = State.READY, **fields: Any) -> Delivery:
    """Write one delivery: due at noon, and begun 2 s and ended 5 s later, as far as its state has come."""
    times: dict[str, Any] = {}
    if state in (State.RUNNING, State.SUCCESSFUL, State.FAILED):
        times = {"started_at": at(2), "attempts": 1, "owner": OWNER, "token": 1}
    if state in FINAL_STATES:
        times["finished_at"] = at(5)
    standard: dict[str, Any] = {
        "emission": uuid4(),
        "signal": "shop.signals.order_placed",
        "sender": "shop.checkout.Checkout",
        "receiver": "shop.receivers.send_mail",
        "queue": "sigdemo",
        "payload": '{"sender":null,"arguments":{}}',
        "due_at": NOON,
        "enqueued_at": NOON,
        "max_attempts": 5,
    }
    return Delivery.objects.create(state=state, **standard | times | fields)


def attempt(of: Delivery, number: int = 1, **fields: Any) -> Attempt:
    """Write one attempt that ended badly after 3 s."""
    standard: dict[str, Any] = {
        "owner": OWNER,
        "started_at": at(2),
        "finished_at": at(5),
        "outcome": Outcome.ERROR,
        "error_class": "builtins.ValueError",
        "message": "the stock is negative",
        "traceback": "Traceback (most recent call last):\nValueError: the stock is negative",
    }
    return Attempt.objects.create(delivery=of, number=number, **standard | fields)


def words(html: str) -> str:
    """Return what a reader sees of a page, or of a part of it."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html.replace("<wbr>", ""))).split())


def page_of(row: Delivery | Attempt) -> str:
    """Return the address of a row's page."""
    return reverse(f"admin:signals_app_{row._meta.model_name}_change", args=[row.pk])


def operate_url(row: Delivery, name: str) -> str:
    """Return the address where an action is done to one delivery."""
    return reverse("admin:signals_app_delivery_operate", args=[row.pk, name])


def copies(of: Delivery | Attempt, count: int, **changed: str) -> None:
    """Write so many copies of a row, columns changed to SQL of the copy's number ``i``; bulk_create takes seconds."""
    table = of._meta.db_table
    names = [str(field.column) for field in of._meta.local_concrete_fields if not field.primary_key]
    values = ", ".join(changed.get(name, f"seed.{name}") for name in names)
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH RECURSIVE number(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM number WHERE i < %s) "
            f"INSERT INTO {table} ({', '.join(names)}) SELECT {values} FROM number CROSS JOIN {table} seed "
            "WHERE seed.id = %s",
            [count, of.pk],
        )


def plan_of(rows: QuerySet[Any]) -> str:
    """Return how the database would find rows, as if their table were large."""
    if connection.vendor == "postgresql":  # which reads the whole of a small table
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
            cursor.execute("SET LOCAL enable_seqscan = off")
    return rows.explain()


def client_of(name: str, *permissions: str) -> Client:
    """Return the browser of a member of staff with these permissions."""
    user = User.objects.create_user(name, is_staff=True)
    user.user_permissions.add(*Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


# what a test moves and reassigns to
TO = {"move": "elsewhere", "reassign": nothing.key}


def one_for(name: str, **fields: Any) -> Delivery:
    """Write a delivery that an operation can change."""
    fitting: dict[str, dict[str, Any]] = {
        "retry": {"state": State.FAILED},
        "run_now": {"due_at": timezone.now() + timedelta(hours=1)},
        "reassign": {"unroutable": True},
        "free": {"state": State.FAILED, "lane": "ada", "blocks_lane": True},
    }
    return delivery(**fitting.get(name, {}) | fields)
