"""What a visitor reads when something is wrong: a page of ours that says what to do."""

from typing import NoReturn

import pytest
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import HttpRequest
from django.test import Client, override_settings
from django.urls import include, path


def broken(request: HttpRequest) -> NoReturn:
    """Break."""
    raise RuntimeError("a secret of the house")


def closed(request: HttpRequest) -> NoReturn:
    """Let nobody in."""
    raise PermissionDenied


def senseless(request: HttpRequest) -> NoReturn:
    """Understand nothing."""
    raise SuspiciousOperation("a secret of the house")


urlpatterns = [
    path("broken/", broken),
    path("closed/", closed),
    path("senseless/", senseless),
    path("shop/", include("sigdemo.shop.urls")),
]
PAGES = [
    ("/broken/", 500, "Nothing was half done: try again in a moment."),
    ("/closed/", 403, "You are not allowed to see this page. Log in with an account that is."),
    ("/senseless/", 400, "Go back, reload the page and try again."),
    ("/nowhere/", 404, "Check the address for a typing error."),
]


@override_settings(ROOT_URLCONF="tests.sigdemo.shop.test_error_pages")
@pytest.mark.parametrize(("address", "status", "advice"), PAGES)
def test_an_error_says_what_to_do_and_gives_nothing_away(address: str, status: int, advice: str) -> None:
    answer = Client(raise_request_exception=False).get(address)

    page = answer.content.decode()
    assert answer.status_code == status
    assert advice in page
    assert "Go to the start page" in page
    assert "secret" not in page
    assert "<style" not in page
    assert "style=" not in page
    assert "<script" not in page


def test_an_expired_form_says_so() -> None:
    answer = Client(enforce_csrf_checks=True).post("/shop/")

    assert answer.status_code == 403
    assert "Allow cookies for this site, reload the form and send it again." in answer.content.decode()
