"""The lab's pages in a real browser: links, words and widths."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sigdemo.lab.models import LabRun
from signals_app.models import Delivery, State
from tests.browser.lab import all_done, choose, open_all, rows
from tests.browser.visitor import PATIENCE, SCREENS, Scheme, Visitor, visitor
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
    assert lise.page.url.endswith(LabRun.objects.get().get_absolute_url())
    lise.page.reload()
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


@pytest.mark.parametrize(("scheme", "width"), SCREENS)
def test_the_lab_fits_and_is_accessible(
    browser: Browser, web: Web, cluster: Cluster, width: int, scheme: Scheme
) -> None:
    with visitor(browser, web.url, width=width, scheme=scheme) as guest:
        guest.enter_lab()
        guest.is_well_made()
        open_all(guest, ".others")
        guest.is_well_made()
        choose(guest, "Fails once, then succeeds", seconds=0.1, fan_out=2, ways=("signal", "thread", "queued"))
        all_done(guest)
        guest.is_well_made()
        open_all(guest, ".fold")
        guest.is_well_made()
        headings = guest.page.eval_on_selector_all("h1,h2,h3,h4", "all => all.map(h => h.tagName)")
        levels = [int(tag[1]) for tag in headings]
        assert all(after - before <= 1 for before, after in pairwise(levels))
