"""Every answer of the site says what a browser may do with it."""

from contextlib import closing

import pytest
from django.test import Client

PAGES = ["/", "/shop/", "/admin/", "/admin/login/", "/no/such/page", "/static/admin/css/base.css"]


@pytest.mark.django_db
@pytest.mark.parametrize("page", PAGES)
def test_every_page_allows_only_what_the_site_itself_serves(page: str, client: Client) -> None:
    with closing(client.get(page)) as response:
        header = response["Content-Security-Policy"]

    policy = dict(directive.strip().split(" ", 1) for directive in header.split(";"))
    assert policy == {
        "default-src": "'self'",
        "base-uri": "'self'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
        "object-src": "'none'",
    }


@pytest.mark.django_db
@pytest.mark.parametrize("page", PAGES)
def test_every_page_is_taken_for_what_it_says_it_is(page: str, client: Client) -> None:
    with closing(client.get(page)) as response:
        headers = response.headers

    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.django_db
def test_the_site_begins_at_the_shop(client: Client) -> None:
    response = client.get("/")

    assert (response.status_code, response["Location"]) == (302, "/shop/")


@pytest.mark.django_db
def test_no_script_reads_the_cookies(client: Client) -> None:
    client.get("/admin/login/")

    cookie = client.cookies["csrftoken"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
