"""The site of the documentation: built strictly, whole, and with nothing from elsewhere."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from tests.docs.markdown import PAGES, ROOT
from tests.docs.site import build, place, publish, write

_ADDRESS = re.compile(r'\b(?:href|src)="?([^"\s>]+)')


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site as ``make site`` does."""
    directory = tmp_path_factory.mktemp("site")
    assert build(write(directory)) == 0
    return directory / "site"


def test_every_page_is_on_the_site_and_can_be_searched(site: Path) -> None:
    pages = {place(page).with_suffix(".html") for page in PAGES if page != ROOT / "README.md"}
    missing = [str(page) for page in pages if not (site / page).is_file()]
    assert not missing
    assert "A customer's order page shows" in (site / "search.json").read_text()


def test_links_of_the_site_lead_to_files_of_the_site(site: Path) -> None:
    dead = []
    for page in site.rglob("*.html"):
        if page.name == "404.html":
            continue  # its addresses are those of a server's root
        for address in _ADDRESS.findall(page.read_text()):
            path = address.partition("#")[0]
            if path and not re.match(r"[a-z]+:", path) and not (page.parent / path).exists():
                dead.append(f"{page.relative_to(site)}: {address}")
    assert not dead


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    foreign = re.compile(r'<(?:script|img|iframe)[^>]*\ssrc="?https?:|<link[^>]*\shref="?https?:', re.IGNORECASE)
    loading = [str(page.relative_to(site)) for page in site.rglob("*.html") if foreign.search(page.read_text())]
    assert not loading


def test_versions_are_kept_beside_each_other(site: Path, tmp_path: Path) -> None:
    for version in ("0.9.0", "0.10.0", "0.2.0"):
        publish(site, tmp_path, version)
    versions = [entry["version"] for entry in json.loads((tmp_path / "versions.json").read_text())]
    assert versions == ["0.10.0", "0.9.0", "0.2.0"]
    assert "url=0.10.0/" in (tmp_path / "index.html").read_text()
    assert (tmp_path / "0.2.0" / "index.html").is_file()


def test_the_tests_build_with_what_the_extra_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    tools = (ROOT / "tests" / "requirements.txt").read_text().splitlines()
    assert set(project["optional-dependencies"]["docs"]) <= set(tools)
