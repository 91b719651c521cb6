"""Links, anchors and the names of tests in the documentation lead somewhere."""

import re
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest

from tests.docs.markdown import PAGES, ROOT, anchors, links, name_of, prose

_TEST = re.compile(r"`(test_\w+)`")

each_page = pytest.mark.parametrize("page", PAGES, ids=name_of)


def test_every_page_of_the_repository_is_looked_at() -> None:
    assert {"README.md", "CHANGELOG.md", "docs/index.md", "docs/reference/api.md"} <= {name_of(page) for page in PAGES}


@each_page
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for link in links(page):
        url = urlsplit(link.target)
        if url.scheme:
            assert url.scheme == "https", f"{link.place}: {link.target} is no https address."
            continue
        target = (page.parent / url.path).resolve() if url.path else page
        assert target.is_file(), f"{link.place}: there is no {link.target}."
        assert target.is_relative_to(ROOT), f"{link.place}: {link.target} leads out of the repository."
        if url.fragment:
            assert url.fragment in anchors(target), f"{link.place}: {link.target} has no such heading."


@each_page
def test_every_link_is_read(page: Path) -> None:
    """A link that is broken over two lines would not be."""
    text = "\n".join(re.sub(r"`[^`]*`", "", line) for _, line in prose(page))
    assert text.count("](") == len(links(page)), f"{name_of(page)}: put each link on one line."


@each_page
def test_named_tests_exist(page: Path) -> None:
    """A test that a page names as proof is defined in the file that it links."""
    for link in links(page):
        for name in _TEST.findall(link.text):
            source = (page.parent / link.target).resolve().read_text()
            assert f"def {name}(" in source, f"{link.place}: {link.target} has no {name}."


def test_every_page_is_reached_from_the_index_and_the_index_from_the_readme() -> None:
    index, readme = ROOT / "docs" / "index.md", ROOT / "README.md"
    linked = {(index.parent / urlsplit(link.target).path).resolve() for link in links(index)}
    missing = {*PAGES} - {index, readme} - linked
    assert not missing, f"the index does not link {', '.join(map(name_of, missing))}."
    assert "docs/index.md" in {link.target for link in links(readme)}


@pytest.mark.parametrize("picture", [*(ROOT / "docs").rglob("*.svg"), *(ROOT / "docs").rglob("*.png")], ids=name_of)
def test_pictures_are_small_used_and_load_nothing(picture: Path) -> None:
    assert picture.stat().st_size < 500_000
    used = {(page.parent / link.target).resolve() for page in PAGES for link in links(page)}
    assert picture in used
    if picture.suffix == ".svg":
        elements = ElementTree.parse(picture).getroot().iter()
        assert not [one for one in elements if one.tag.endswith(("script", "image")) or "href" in str(one.attrib)]
        assert "prefers-reduced-motion" in picture.read_text()


@each_page
def test_lines_are_no_longer_than_those_of_the_code(page: Path) -> None:
    for number, line in prose(page):
        is_long_by_nature = line.startswith("|") or "](" in line
        assert len(line) <= 120 or is_long_by_nature, f"{name_of(page)}:{number}: {len(line)} characters."
