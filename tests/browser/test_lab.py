"""The lab's pages in a real browser: links, words and widths."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sigdemo.lab.models import LabRun
from signals_app.models import Delivery, State
from tests.browser.lab import PATIENCE, all_done, choose, enter, rows
from tests.browser.visitor import Scheme, Visitor, visitor
from tests.browser.web import Web
from tests.cluster import Cluster

if TYPE_CHECKING:
    from playwright.sync_api import Browser

BANNER = "No cluster is running."


def test_without_a_cluster_a_banner_says_so_and_the_work_waits(lise: Visitor, web: Web, tmp_path: Path) -> None:
    with Cluster(tmp_path / "first.log", **web.environment):
        lise.page.get_by_text(BANNER).wait_for(state="hidden", timeout=10_000)
    lise.page.get_by_text(BANNER).wait_for(timeout=10_000)
    choose(lise, "Waiting (I/O)", seconds=0.3, fan_out=2, ways=("queued",))

    lise.page.get_by_text("the work waits in the database for a worker").wait_for(timeout=PATIENCE)
    assert lise.page.get_by_text("python manage.py qcluster").is_visible()
    assert set(Delivery.objects.values_list("state", flat=True)) == {State.READY}
    with Cluster(tmp_path / "second.log", **web.environment):
        all_done(lise)
        lise.page.get_by_text(BANNER).wait_for(state="hidden", timeout=10_000)
    assert [row.get_by_text("done").is_visible() for row in rows(lise, "queued")] == [True, True]
    lise.is_untroubled()


def test_a_permalink_shows_the_same_run_and_starts_nothing(lise: Visitor) -> None:
    choose(lise, "Waiting (I/O)", seconds=0.1, ways=("inline", "signal"))
    all_done(lise)
    before = lise.page.locator(".figures").inner_text()
    lise.page.get_by_role("link", name="Permalink").click()
    all_done(lise)

    assert lise.page.locator(".figures").inner_text() == before
    assert LabRun.objects.count() == 1


def test_figures_are_explained_on_focus(lise: Visitor) -> None:
    choose(lise, "Waiting (I/O)", seconds=0.1, ways=("inline",))
    all_done(lise)
    tip = lise.page.get_by_text("From the request\N{RIGHT SINGLE QUOTATION MARK}s arrival in the view until")
    assert tip.is_hidden()

    lise.page.get_by_role("button", name="Answer after").focus()
    assert tip.is_visible()


def test_too_many_runs_are_refused_with_a_clear_message(lise: Visitor) -> None:
    for slot in (1, 2, 3, 4):
        LabRun.objects.create(kind="wait", seconds=1, fan_out=1, slot=slot).lanes.create(way="inline", position=0)
    choose(lise, "Waiting (I/O)", seconds=0.1)

    lise.page.get_by_text("4 runs are under way, which is as many as the lab does at a time.").wait_for()
    assert lise.page.evaluate("document.activeElement.id") == "problems"
    assert not Delivery.objects.exists()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_lab_fits_and_is_accessible(
    browser: Browser, web: Web, cluster: Cluster, width: int, scheme: Scheme
) -> None:
    with visitor(browser, web.url, width=width, scheme=scheme) as guest:
        enter(guest)
        guest.fits()
        guest.finds_nothing_serious()
        choose(guest, "Fails once, then succeeds", seconds=0.1, fan_out=2, ways=("signal", "thread", "queued"))
        all_done(guest)
        for details in guest.page.locator("details summary").all():
            details.click()
        guest.fits()
        guest.is_untroubled()
        guest.finds_nothing_serious()
        levels = [int(tag[1]) for tag in guest.page.eval_on_selector_all("h1,h2,h3", "all => all.map(h => h.tagName)")]
        assert all(after - before <= 1 for before, after in pairwise(levels))
