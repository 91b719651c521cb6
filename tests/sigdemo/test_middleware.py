"""What is answered before any view, and in place of one that finds the database away."""

import json
import sqlite3
from typing import Any, NoReturn

import psycopg
import pytest
from django.db import DataError, InterfaceError, OperationalError, connection
from django.http import HttpRequest
from django.test import Client
from django.urls import include, path
from pytest_django import Settings

MEGABYTE = 1024 * 1024


class Unread:
    """A body of which nothing may be read."""

    def read(self, size: int = -1) -> bytes:
        raise AssertionError("it was read")

    readline = read


def post(address: str, content_type: str, length: int) -> Any:
    """Send so many bytes."""
    environ: dict[str, Any] = {"CONTENT_TYPE": content_type, "CONTENT_LENGTH": str(length), "wsgi.input": Unread()}
    return Client(enforce_csrf_checks=True).generic("POST", address, **environ)


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("address", ["/shop/", "/lab/", "/admin/login/", "/shop/warehouse/outage/", "/no/such/page/"])
@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_a_body_of_20_mb_is_refused_unread(address: str, content_type: str, debug: bool, settings: Settings) -> None:
    settings.DEBUG = debug
    answer = post(address, content_type, 20 * MEGABYTE)
    assert (answer.status_code, answer["Content-Type"]) == (413, "text/html; charset=utf-8")
    assert "Your browser sent more than the site takes at once" in answer.content.decode()
    told = post("/shop/warehouse/", "application/json", 20 * MEGABYTE)  # a machine is told in its own language
    assert (told.status_code, list(json.loads(told.content))) == (413, ["error"])


@pytest.mark.parametrize("length", ["-1", "abc", "1e9", "\xb2", "9" * 30])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_length_that_is_no_number_of_bytes_is_refused(length: str, method: str) -> None:
    assert Client().generic(method, "/lab/ping/", CONTENT_LENGTH=length).status_code == 400
    assert Client().generic("GET", "/lab/ping/", CONTENT_LENGTH="").status_code == 200  # which is no length


NUL_COOKIE = 'sessionid="\\000aaaaaaaaaa"'
NUL = [("/shop/%00/", ""), ("/shop/?repeated=a%00b", ""), ("/admin/?q=%00", ""), ("/lab/ping/", NUL_COOKIE)]


@pytest.mark.parametrize(("address", "cookie"), NUL)
def test_a_nul_character_is_refused(address: str, cookie: str) -> None:
    answer = Client().get(address, headers={"Cookie": cookie})
    assert answer.status_code == 400
    assert "This request makes no sense here" in answer.content.decode()


@pytest.mark.database
@pytest.mark.django_db
@pytest.mark.parametrize("form", [{"na\0me": "x"}, {"name": "a\0b"}, {"username": "boss", "password": "\0"}])
@pytest.mark.parametrize("address", ["/shop/", "/admin/login/", "/lab/", "/admin/signals_app/overview/pause/"])
def test_a_nul_character_in_a_form_is_refused(address: str, form: dict[str, str], admin_client: Client) -> None:
    answer = admin_client.post(address, form)
    assert answer.status_code == 400
    assert "This request makes no sense here" in answer.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("address", "method"),
    [("/lab/run/00000000-0000-0000-0000-000000000000/pings/x/", "get"), ("/shop/", "delete"), ("/lab/ping/", "post")],
)
def test_a_wrong_method_gets_a_page_that_says_so(address: str, method: str) -> None:
    answer = getattr(Client(), method)(address)
    assert answer.status_code == 405
    assert answer["Allow"]
    assert "This is not done this way" in answer.content.decode()


@pytest.mark.parametrize("headers", [{}, {"Host": ";"}])
def test_a_broken_form_sent_to_nowhere_is_no_error_of_ours(headers: dict[str, str]) -> None:
    client = Client(raise_request_exception=False, enforce_csrf_checks=True)
    client.cookies["csrftoken"] = "a" * 32
    answer = client.generic("POST", "/no/such/page/", b"x", "multipart/form-data", headers=headers)
    assert answer.status_code == (400 if headers else 404)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("address", "statuses"),
    [
        *((f"1/{view}/?_to_field=", (400,)) for view in ("change", "delete")),
        *((f"?date_joined__year={year}", (302, 400)) for year in ("10000", "9" * 30)),
        ("?date_joined__year=2026", (200,)),
    ],
)
def test_the_admin_asked_for_what_is_no_field_or_year_says_400(
    address: str, statuses: tuple[int, ...], admin_client: Client
) -> None:
    assert admin_client.get(f"/admin/auth/user/{address}").status_code in statuses


@pytest.mark.database
@pytest.mark.django_db
def test_the_admin_told_to_act_on_what_is_no_row_says_400(admin_client: Client) -> None:
    told = {"action": "delete_selected", "_selected_action": "abc"}
    assert admin_client.post("/admin/auth/user/", told).status_code == 400
    told["_selected_action"] = "9" * 30  # PostgreSQL looks for it, and finds none
    found = admin_client.post("/admin/auth/user/", told).status_code
    assert found == (400 if connection.vendor == "sqlite" else 200)


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def locked(code: int) -> sqlite3.OperationalError:
    """Return SQLite's error of that code."""
    error = sqlite3.OperationalError("from SQLite")
    error.sqlite_errorcode = code
    return error


CAUSES: list[Exception] = [
    psycopg.OperationalError(),
    psycopg.errors.LockNotAvailable(),
    psycopg.errors.AdminShutdown(),
]
CAUSES += map(locked, (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN))
AWAY: list[Exception] = [OperationalError("connection refused"), InterfaceError("connection already closed")]
AWAY += [caused(OperationalError("away"), cause) for cause in CAUSES]
BROKEN = [
    caused(OperationalError("no such table: shop_order"), locked(sqlite3.SQLITE_ERROR)),
    DataError("value too long"),
    RuntimeError("database is locked"),
]


def raises(request: HttpRequest, number: int) -> NoReturn:
    """Raise one of them."""
    raise [*AWAY, *BROKEN][number]


urlpatterns = [path("raises/<int:number>/", raises), path("shop/", include("sigdemo.shop.urls"))]


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("number", range(len(AWAY)))
def test_a_database_that_is_away_is_a_503_without_a_query(number: int, debug: bool, settings: Settings) -> None:
    settings.ROOT_URLCONF = __name__
    settings.DEBUG = debug  # no database is open to this test: any query would fail it
    answer = Client(raise_request_exception=False).get(f"/raises/{number}/")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert "reload the page in a few seconds" in answer.content.decode()


@pytest.mark.parametrize("number", range(len(AWAY), len(AWAY) + len(BROKEN)))
def test_an_error_that_time_does_not_mend_is_a_500(number: int, settings: Settings) -> None:
    settings.ROOT_URLCONF = __name__
    answer = Client(raise_request_exception=False).get(f"/raises/{number}/")
    assert answer.status_code == 500
    assert "Something broke on our side" in answer.content.decode()
