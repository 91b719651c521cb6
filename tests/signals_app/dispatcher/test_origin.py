"""Where an emission comes from: the request and its user behind sync and async servers, a receiver, a command."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.db import transaction
from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client, RequestFactory, modify_settings, override_settings
from django.urls import path

from signals_app.conf import conf
from signals_app.console.operations import CANCEL, RETRY, Operator, perform
from signals_app.dispatcher.emission import Origin, command_in, current_origin, delivery_in, sent_from
from signals_app.worker.loop import drain
from tests.cluster import PATIENCE
from tests.signals_app.listeners import first, listening, written
from tests.testapp.models import Thing
from tests.testapp.receivers import enqueue, nothing, sends_on

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]

AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"
MIDDLEWARE = "signals_app.middleware.OriginMiddleware"
announced = Signal()
both_arrived = asyncio.Event()


def sync_view(request: HttpRequest) -> HttpResponse:
    with transaction.atomic():
        Thing.objects.create(name="lamp")
        announced.send(sender="place")
    return HttpResponse("sent")


async def async_view(request: HttpRequest) -> HttpResponse:
    await announced.asend(sender="place")
    return HttpResponse("sent")


async def meeting_view(request: HttpRequest, name: str) -> HttpResponse:
    if name == "last":
        both_arrived.set()
    await asyncio.wait_for(both_arrived.wait(), PATIENCE)
    return HttpResponse(current_origin().place)


urlpatterns = [path("sync/", sync_view), path("async/", async_view), path("meeting/<str:name>/", meeting_view)]

CLIENTS = pytest.mark.parametrize("make_client", [Client, AsyncClient])
VIEWS = pytest.mark.parametrize("url", ["/sync/", "/async/"])
AnyClient = type[Client] | type[AsyncClient]


class Guest:
    """A user of a project's own, whose name may be an error."""

    def __init__(self, name: object) -> None:
        self.name = name

    def get_username(self) -> object:
        if isinstance(self.name, Exception):
            raise self.name
        return self.name


def request_of(user: object = None, method: str = "POST", path: str = "/checkout/") -> Origin:
    request: Any = RequestFactory().generic(method, "/")
    request.path = path
    if user is not None:
        request.user = user
    return Origin.of(request)


def request(client: Client | AsyncClient, url: str, method: str = "post") -> HttpResponse:
    ask: Any = getattr(client, method)
    answer = async_to_sync(ask)(url) if isinstance(client, AsyncClient) else ask(url)
    assert isinstance(answer, HttpResponse)
    return answer


def origins() -> list[tuple[str, str]]:
    return [(one.sent_by, one.sent_from) for one in written()]


@CLIENTS
@VIEWS
def test_each_delivery_says_which_request_sent_it_and_whose(make_client: AnyClient, url: str) -> None:
    client = make_client()
    with listening(announced, first):
        request(client, url, "get")
        client.force_login(User.objects.create_user("ada"))
        request(client, f"{url}?token=abc")
        announced.send(sender="afterwards")
    assert origins() == [("", f"GET {url}"), ("ada", f"POST {url}"), ("", "")]


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
    assert origins() == [("", f"POST {url}")]
    assert Thing.objects.count() == (url == "/sync/"), "the sender's transaction goes on"
    assert f"It cannot be told whose request POST {url} is: " in caplog.text


@VIEWS
def test_the_user_is_looked_up_at_a_send_only(
    url: str, client: Client, django_assert_num_queries: Callable[[int], Any]
) -> None:
    client.force_login(User.objects.create_user("ada"))
    with django_assert_num_queries(3 if url == "/sync/" else 0):  # a savepoint, its release, an insert
        assert request(client, url).status_code == 200


@pytest.mark.parametrize(
    ("without", "place"),
    [([MIDDLEWARE], ""), ([AUTHENTICATION, "django.contrib.messages.middleware.MessageMiddleware"], "POST /sync/")],
    ids=["the middleware", "users"],
)
def test_a_project_may_do_without(without: list[str], place: str, client: Client) -> None:
    with modify_settings(MIDDLEWARE={"remove": without}), listening(announced, first):
        request(client, "/sync/")
    assert origins() == [("", place)]


@override_settings(MIDDLEWARE=[MIDDLEWARE])  # what is not async would let one request in at a time
def test_requests_of_one_process_do_not_see_each_other() -> None:
    async def meet() -> list[bytes]:
        client = AsyncClient()
        answers = await asyncio.gather(client.get("/meeting/first/"), client.get("/meeting/last/"))
        return [answer.content for answer in answers]

    assert asyncio.run(meet()) == [b"GET /meeting/first/", b"GET /meeting/last/"]


@pytest.mark.parametrize(
    ("request_", "user", "place"),
    [
        (request_of(Guest(42)), "42", "POST /checkout/"),
        (request_of(Guest("ada\nroot\0")), r"ada\nroot\x00", "POST /checkout/"),
        (request_of(Guest("x" * 151)), "x" * 149 + "…", "POST /checkout/"),
        (request_of(Guest("x" * 150), "GET", "/\ud800/café/"), "x" * 150, r"GET /\ud800/café/"),
        (request_of(path="/a\r\nPOST /\x1b[2J\u202e/"), "", r"POST /a\r\nPOST /\x1b[2J\u202e/"),
        (request_of(method="X" * 300), "", "X" * 199 + "…"),
        (request_of(method="GET", path="/" + "\x1b" * 190), "", ("GET /" + r"\x1b" * 60)[:199] + "…"),
    ],
)
def test_a_user_and_a_request_are_one_line_each_that_fits_its_column(request_: Origin, user: str, place: str) -> None:
    assert (request_.user(), request_.place) == (user, place)


@pytest.mark.parametrize("user", [Guest(ValueError("token=abc")), object()], ids=["fails", "has no name"])
def test_a_user_that_cannot_tell_its_name_is_nobody_and_a_warning(
    user: object, caplog: pytest.LogCaptureFixture
) -> None:
    assert request_of(user).user() == ""
    assert "It cannot be told whose request POST /checkout/ is: " in caplog.text
    assert "abc" not in caplog.text


def test_a_command_is_known_by_its_name_alone() -> None:
    assert command_in(["/srv/site/manage.py", "place_orders", "--password=x"]) == "manage.py place_orders"
    assert command_in(["/usr/bin/django-admin"]) == "django-admin"
    assert command_in(["/usr/bin/gunicorn", "sigdemo.wsgi"]) == command_in([]) == ""


def test_only_a_deliverys_place_is_taken_for_one() -> None:
    assert delivery_in("delivery #12") == 12
    for place in ("", "DELIVERY #12 /", "delivery #12 /", "GET /delivery #12", "delivery #-1", "delivery #²"):
        assert delivery_in(place) is None


def test_what_a_receiver_sends_says_which_delivery_sent_it_whoever_runs_it_and_operators_leave_it() -> None:
    with sent_from(request_of(Guest("ada"))):
        delivery, other = enqueue(sends_on), enqueue(nothing)
        for operation in (CANCEL, RETRY):
            perform(operation, [other.pk], by=Operator(name="grace"))
        drain(conf.queue)
    place = ("ada", "POST /checkout/")
    assert origins() == [place, place, ("", f"delivery #{delivery.pk}")]
