"""What a request leaves on the deliveries that it sends, behind sync and async servers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in
from django.db import transaction
from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client, modify_settings, override_settings
from django.urls import path, re_path

from signals_app.dispatcher import queued
from signals_app.dispatcher.emission import current_origin
from tests.cluster import PATIENCE
from tests.signals_app.listeners import first, listening, second, written
from tests.testapp.models import Thing

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]

AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"
announced = Signal()
both_arrived = asyncio.Event()
ALONE = ["signals_app.middleware.OriginMiddleware"]  # what is not async would let one request in at a time


@queued(drop=("request", "user"))
def greets(sender: object, **kwargs: Any) -> None:
    """Hears of a login."""


def sync_view(request: HttpRequest, name: str = "") -> HttpResponse:
    with transaction.atomic():
        Thing.objects.create(name="lamp")
        announced.send(sender="place")
    return HttpResponse("sent")


async def async_view(request: HttpRequest, name: str = "") -> HttpResponse:
    await announced.asend(sender="place")
    return HttpResponse("sent")


async def meeting_view(request: HttpRequest, name: str) -> HttpResponse:
    if name == "last":
        both_arrived.set()
    await asyncio.wait_for(both_arrived.wait(), PATIENCE)
    return HttpResponse(current_origin().place)


urlpatterns = [
    path("sync/", sync_view),
    re_path("^sync/(?P<name>(?s:.+))/$", sync_view),
    path("async/", async_view),
    path("meeting/<str:name>/", meeting_view),
]

CLIENTS = pytest.mark.parametrize("make_client", [Client, AsyncClient])
VIEWS = pytest.mark.parametrize("url", ["/sync/", "/async/"])
AnyClient = type[Client] | type[AsyncClient]


def request(client: Client | AsyncClient, url: str, method: str = "post") -> HttpResponse:
    ask: Any = getattr(client, method)
    answer = async_to_sync(ask)(url) if isinstance(client, AsyncClient) else ask(url)
    assert isinstance(answer, HttpResponse)
    return answer


def origins() -> set[tuple[str, str]]:
    return {(one.sent_by, one.sent_from) for one in written()}


@CLIENTS
@VIEWS
def test_each_delivery_says_which_request_sent_it_and_whose(make_client: AnyClient, url: str) -> None:
    client = make_client()
    with listening(announced, first, second):
        request(client, url, "get")
        client.force_login(User.objects.create_user("ada"))
        request(client, f"{url}?token=abc")
        announced.send(sender="afterwards")

    assert [(one.sent_by, one.sent_from) for one in written()] == [
        ("", f"GET {url}"),
        ("", f"GET {url}"),
        ("ada", f"POST {url}"),
        ("ada", f"POST {url}"),
        ("", ""),
        ("", ""),
    ]


@pytest.mark.database
@CLIENTS
@VIEWS
@override_settings(SESSION_ENGINE="tests.testapp.sessions")
def test_a_session_that_cannot_be_read_keeps_nothing_from_being_sent(
    make_client: AnyClient, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = make_client()
    client.cookies["sessionid"] = "abcdefghijklmnop"
    with listening(announced, first):
        assert request(client, url).status_code == 200

    assert origins() == {("", f"POST {url}")}
    assert Thing.objects.count() == (url == "/sync/"), "the sender's transaction goes on"
    assert f"It cannot be told whose request POST {url} is: " in caplog.text


def test_a_login_is_sent_by_who_logged_in(client: Client) -> None:
    with listening(user_logged_in, greets), override_settings(ROOT_URLCONF="sigdemo.urls"):
        User.objects.create_superuser("ada", password="lovelace")
        client.post("/admin/login/", {"username": "ada", "password": "lovelace"})

    assert origins() == {("ada", "POST /admin/login/")}


@VIEWS
def test_the_user_is_looked_up_at_a_send_only(
    url: str, client: Client, django_assert_num_queries: Callable[[int], Any]
) -> None:
    client.force_login(User.objects.create_user("ada"))
    with django_assert_num_queries(3 if url == "/sync/" else 0):  # a savepoint, its release, an insert
        assert request(client, url).status_code == 200


@override_settings(MIDDLEWARE=ALONE)
def test_a_path_is_one_line_of_printable_characters(client: Client) -> None:
    with listening(announced, first):
        client.post("/sync/a%0d%0aPOST%20/forged%1b[2J%e2%80%ae/")
        client.post("/sync/caf%C3%A9/")
        client.post(f"/sync/{'x' * 10_000}/")

    forged, readable, long = [one.sent_from for one in written()]
    assert forged == "POST /sync/a\\r\\nPOST /forged\\x1b[2J\\u202e/"
    assert readable == "POST /sync/café/"
    assert (len(long), long[:12], long[-2:]) == (200, "POST /sync/x", "x…")


@pytest.mark.parametrize(
    ("without", "place"),
    [
        (["signals_app.middleware.OriginMiddleware"], ""),
        ([AUTHENTICATION, "django.contrib.messages.middleware.MessageMiddleware"], "POST /sync/"),
    ],
    ids=["the middleware", "users"],
)
def test_a_project_may_do_without(without: list[str], place: str, client: Client) -> None:
    with modify_settings(MIDDLEWARE={"remove": without}), listening(announced, first):
        request(client, "/sync/")

    assert origins() == {("", place)}


@override_settings(MIDDLEWARE=ALONE)
def test_requests_of_one_process_do_not_see_each_other() -> None:
    async def meet() -> list[bytes]:
        client = AsyncClient()
        answers = await asyncio.gather(client.get("/meeting/first/"), client.get("/meeting/last/"))
        return [answer.content for answer in answers]

    assert asyncio.run(meet()) == [b"GET /meeting/first/", b"GET /meeting/last/"]
