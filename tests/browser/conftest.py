"""A real browser, a real web server and a real cluster, on the test database."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sigdemo.shop.assortment import stock_shelves
from tests.browser.visitor import Visitor, visitor
from tests.browser.web import Web
from tests.cluster import Cluster

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
SWITCHES = ["--no-sandbox", "--disable-quic", "--disable-background-networking"]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium without a window. For this package only: its event loop lives in the tests' thread."""
    api = pytest.importorskip("playwright.sync_api", reason="Playwright is missing: pip install playwright")
    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if program is None:
        pytest.skip(f"Chromium is missing: install it as one of {', '.join(CHROMIUM)}.")
    with pytest.MonkeyPatch.context() as patched, api.sync_playwright() as playwright:
        patched.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # Playwright's loop is no async code of ours
        chromium = playwright.chromium.launch(executable_path=program, args=SWITCHES)
        yield chromium
        chromium.close()


@pytest.fixture(scope="package")
def web(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """The site in a web server of its own."""
    with Web(tmp_path_factory.mktemp("web") / "web.log") as server:
        yield server


@pytest.fixture
def shelves(transactional_db: None) -> None:
    """The demo's products, on the shelves."""
    stock_shelves(restock=False)


@pytest.fixture
def cluster(web: Web, shelves: None, tmp_path: Path) -> Iterator[Cluster]:
    """A running cluster."""
    with Cluster(tmp_path / "cluster.log", **web.environment) as running:
        yield running


@pytest.fixture
def ada(browser: Browser, web: Web, shelves: None) -> Iterator[Visitor]:
    """A visitor at a desk."""
    with visitor(browser, web.url) as somebody:
        yield somebody


@pytest.fixture
def grace(browser: Browser, web: Web, shelves: None) -> Iterator[Visitor]:
    """A visitor without JavaScript."""
    with visitor(browser, web.url, javascript=False) as somebody:
        yield somebody


@pytest.fixture
def lise(ada: Visitor) -> Visitor:
    """A visitor of the staff, on the lab's page."""
    return ada.enter_lab()


@pytest.fixture
def mary(grace: Visitor) -> Visitor:
    """A visitor of the staff without JavaScript."""
    return grace.enter_lab()
