"""Sync and async views that send, behind sync and async servers."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import transaction
from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client, override_settings
from django.urls import path

from tests.signals_app.listeners import first, listening, run_waiting, written
from tests.testapp.models import Thing

pytestmark = [pytest.mark.django_db, pytest.mark.database]

announced = Signal()


def place(request: HttpRequest) -> None:
    with transaction.atomic():
        thing = Thing.objects.create(name="lamp")
        announced.send(sender=place.__name__, thing=thing)
        if "fail" in request.GET:
            raise ValueError("the card was declined")


def sync_view(request: HttpRequest) -> HttpResponse:
    place(request)
    return HttpResponse("placed")


async def async_view(request: HttpRequest) -> HttpResponse:
    thing = await Thing.objects.acreate(name="lamp")
    await announced.asend(sender="place", thing=thing)
    return HttpResponse("placed")


async def async_view_with_transaction(request: HttpRequest) -> HttpResponse:
    await sync_to_async(place)(request)
    return HttpResponse("placed")


urlpatterns = [
    path("sync/", sync_view),
    path("async/", async_view),
    path("async-with-transaction/", async_view_with_transaction),
]


def get(client: Client | AsyncClient, url: str) -> HttpResponse:
    answer: Any = async_to_sync(client.get)(url) if isinstance(client, AsyncClient) else client.get(url)
    assert isinstance(answer, HttpResponse)
    return answer


@override_settings(ROOT_URLCONF=__name__)
@pytest.mark.parametrize("make_client", [Client, AsyncClient])
@pytest.mark.parametrize("url", ["/sync/", "/async/", "/async-with-transaction/"])
def test_a_view_hands_off_whatever_its_kind_and_its_servers(
    url: str, make_client: type[Client] | type[AsyncClient]
) -> None:
    with listening(announced, first):
        assert get(make_client(), url).content == b"placed"

    (delivery,) = written()
    assert (delivery.sender, delivery.signal) == ("place", f"{__name__}.announced")
    assert [call.arguments for call in run_waiting()] == [{"thing": Thing.objects.get()}]


@override_settings(ROOT_URLCONF=__name__)
@pytest.mark.parametrize("make_client", [Client, AsyncClient])
@pytest.mark.parametrize("url", ["/sync/?fail", "/async-with-transaction/?fail"])
def test_a_view_that_fails_after_its_send_leaves_neither_order_nor_delivery(
    url: str, make_client: type[Client] | type[AsyncClient]
) -> None:
    client = make_client(raise_request_exception=False)
    with listening(announced, first):
        assert get(client, url).status_code == 500

    assert (written(), Thing.objects.count()) == ([], 0)
