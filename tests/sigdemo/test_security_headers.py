"""Every answer of the site says what a browser may do with it."""

import pytest
from django.http import HttpResponseBase, StreamingHttpResponse
from django.test import Client
from pytest_django import Settings

PAGES = ["/", "/shop/", "/admin/", "/admin/login/", "/no/such/page", "/static/admin/css/base.css", "/favicon.ico"]


def get(client: Client, page: str) -> HttpResponseBase:
    """Return the answer, read to its end, which closes the file behind it."""
    response: HttpResponseBase = client.get(page, follow=page == "/favicon.ico")
    if isinstance(response, StreamingHttpResponse):
        list(response)
    return response


@pytest.mark.django_db
@pytest.mark.parametrize("page", PAGES)
def test_every_page_allows_only_what_the_site_serves_and_is_what_it_says_it_is(page: str, client: Client) -> None:
    headers = get(client, page).headers
    policy = dict(directive.strip().split(" ", 1) for directive in headers["Content-Security-Policy"].split(";"))
    ours, nobody = ("default-src", "base-uri", "form-action"), ("frame-ancestors", "object-src")
    assert policy == dict.fromkeys(ours, "'self'") | dict.fromkeys(nobody, "'none'")
    for name in ("Referrer-Policy", "Cross-Origin-Opener-Policy", "Cross-Origin-Resource-Policy"):
        assert headers[name] == "same-origin"
    assert (headers["X-Content-Type-Options"], headers["X-Frame-Options"]) == ("nosniff", "DENY")
    assert {"camera=()", "geolocation=()", "payment=()"} <= set(headers["Permissions-Policy"].split(", "))
    assert "Access-Control-Allow-Origin" not in headers
    assert (headers["Content-Type"] == "image/svg+xml") is (page == "/favicon.ico")


@pytest.mark.django_db
def test_a_redirect_to_https_has_the_headers_too(client: Client, settings: Settings) -> None:
    settings.SECURE_SSL_REDIRECT = True
    response = client.get("/shop/")
    assert (response.status_code, response["Location"]) == (301, "https://testserver/shop/")
    assert "default-src 'self'" in response["Content-Security-Policy"]
