"""What a visitor reads when something is wrong: a page of ours that says what to do."""

from typing import NoReturn

import pytest
from django.contrib import admin
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import HttpRequest
from django.test import Client
from django.urls import include, path
from pytest_django import Settings


def broken(request: HttpRequest) -> NoReturn:
    raise RuntimeError("a secret of the house")


def closed(request: HttpRequest) -> NoReturn:
    raise PermissionDenied


def senseless(request: HttpRequest) -> NoReturn:
    raise SuspiciousOperation("a secret of the house")


urlpatterns = [
    path("broken/", broken),
    path("closed/", closed),
    path("senseless/", senseless),
    path("shop/", include("sigdemo.shop.urls")),
    path("lab/", include("sigdemo.lab.urls")),
    path("admin/", admin.site.urls),
]
PAGES = [
    ("/broken/", 500, "Nothing was half done: try again in a moment."),
    ("/closed/", 403, "You are not allowed to see this page. Log in with an account that is."),
    ("/senseless/", 400, "Go back, reload the page and try again."),
    ("/nowhere/", 404, "Check the address for a typing error."),
]


UNCOLLECTED = {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"}


@pytest.mark.parametrize("collected", [True, False])
@pytest.mark.parametrize(("address", "status", "advice"), PAGES)
def test_an_error_says_what_to_do_and_gives_nothing_away(
    address: str, status: int, advice: str, collected: bool, settings: Settings
) -> None:
    settings.ROOT_URLCONF = __name__
    if not collected:
        settings.STORAGES = settings.STORAGES | {"staticfiles": UNCOLLECTED}
    answer = Client(raise_request_exception=False).get(address)
    page = answer.content.decode()
    assert answer.status_code == status
    assert advice in page
    assert "/static/site/site.css" in page
    assert "Go to the start page" in page
    assert "secret" not in page
    assert "<style" not in page
    assert "style=" not in page
    assert "<script" not in page
