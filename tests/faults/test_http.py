"""The HTTP side under attack: whatever is sent, the answer says what was wrong with it, and none is a 500."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from sigdemo.lab.models import LabLane, LabRun
from sigdemo.shop.assortment import stock_shelves
from sigdemo.shop.models import Product
from signals_app.models import State
from tests.faults.conftest import size
from tests.faults.hostile import Attacker, told
from tests.faults.odd import MARK
from tests.sigdemo.shop.goods import order
from tests.signals_app.console.admin.rows import attempt, delivery

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

AIMS = {False: ("/shop/", "/lab/", "/admin/login/"), True: ("/admin/signals_app/", "/admin/shop/", "/shop/", "/lab/")}
REQUESTS = size(1_200, 30_000)  # of visitors, and as many of staff


@pytest.fixture
def known() -> dict[str, list[str]]:
    """Something of everything, so that the addresses lead somewhere."""
    stock_shelves(restock=False)
    placed = order({Product.objects.order_by("pk")[0]: 1})
    failed = delivery(State.FAILED)
    ended = attempt(failed)
    run = LabRun.objects.create(kind="wait", seconds=0.5, fan_out=1)
    LabLane.objects.create(run=run, way="queued", position=0)
    return {
        "public_id": [str(placed.public_id), str(run.public_id)],
        "object_id": [str(failed.pk), str(ended.pk), str(placed.pk), "add", "1"],
        "name": ["retry", "cancel"],
        "emission": [str(failed.emission), "00000000-0000-0000-0000-000000000000"],
        "way": ["queued", "thread"],
        "stretch": ["idle", "queued"],
        "app_label": ["auth", "shop", "signals_app"],
        "content_type_id": ["1", "2"],
        "id": ["1", str(failed.pk)],
        "url": ["nowhere/", "signals_app/delivery", "logout"],
    }


@pytest.fixture
def quiet() -> Iterator[None]:
    """Log nothing: it would be a line or a traceback for each request."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.short("sqlite")
@pytest.mark.fault(26, "hostile HTTP requests")
@pytest.mark.parametrize("staff", [False, True], ids=["visitor", "staff"])
@pytest.mark.usefixtures("quiet")
def test_no_request_breaks_the_site(staff: bool, known: dict[str, list[str]], record_property: Any) -> None:
    seed = 20261123 + staff
    boss = User.objects.create_superuser("boss")
    clients = [Client(raise_request_exception=False, enforce_csrf_checks=enforce) for enforce in (False, False, True)]
    broken: list[str] = []
    statuses: Counter[int] = Counter()
    for number, request in enumerate(Attacker(seed, known, AIMS[staff]).requests(REQUESTS)):
        client = clients[number % 3]
        if staff and ("logout" in request.path or number < 3):
            client.force_login(boss)  # a session of its own for each client
        elif not staff:
            client.cookies.clear()
        session = client.cookies.get("sessionid")
        answer = request.send(client)
        client.cookies.clear()
        if session is not None:
            client.cookies["sessionid"] = session.value
        statuses[answer.status_code] += 1
        if problem := trouble(answer):
            broken.append(f"{problem}: {told(request)}")
    record_property("requests", REQUESTS)
    record_property("kinds of status", len(statuses))
    assert statuses[200] > REQUESTS / 40, statuses  # else it attacks closed doors only
    assert not broken, f"seed {seed}: {len(broken)} of {REQUESTS}\n" + "\n".join(broken[:40])


def trouble(answer: Any) -> str:
    """Return what is wrong with an answer; "" where nothing is."""
    away = answer.status_code == 503 and b"cannot reach its data" in answer.content
    if away or (answer.status_code >= 500 and answer.status_code != 503):  # the health page says 503 itself
        error = answer.exc_info and answer.exc_info[1]
        return f"{answer.status_code} {type(error).__name__} {str(error)[:100]}"
    if "Content-Security-Policy" not in answer:
        return "no policy"
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    if answer["Content-Type"].startswith("text/html") and MARK.encode() in content:
        return "a script is let through"
    return ""
