"""Runs of the lab in a real browser: what they show is what happened, in the processes where it happened."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sigdemo.lab.kinds import Death, Way
from sigdemo.lab.models import LabRun
from signals_app.models import Delivery, State
from tests.browser.lab import all_done, answered, choose, figure, rows, sentence
from tests.browser.visitor import PATIENCE, Visitor
from tests.browser.web import Web
from tests.cluster import Cluster, wait_for_end, wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Locator

WAITING = ("inline", "signal", "async-signal", "thread-join")
QUICK = ("thread", "queued")
ROUNDS = 3
OWN_THREAD = "the request\N{RIGHT SINGLE QUOTATION MARK}s"


def p95(guest: Visitor, label: str) -> float:
    """Return what the table of other visitors says, in milliseconds."""
    row = guest.page.locator(f'.visitors tbody tr[data-latency^="{label}"]')
    return float(row.get_attribute("data-p95") or "nan")


def latency(guest: Visitor, kind: str, way: str) -> float:
    """Run one lane with four receivers; return the p95 of other visitors, in milliseconds."""
    LabRun.objects.all().delete()  # a visitor may not start so many in a minute
    choose(guest, kind, seconds=1, fan_out=4, ways=(way,))
    wait_until(LabRun.objects.exists, "a new run")
    guest.page.wait_for_url(f"**{LabRun.objects.get().get_absolute_url()}*")
    all_done(guest)
    assert guest.page.locator(".visitors svg.plot path").count() == 2
    return p95(guest, Way(way).label)


@pytest.mark.database
def test_the_ways_differ_in_who_waits_and_who_works(lise: Visitor, cluster: Cluster, web: Web) -> None:
    choose(lise, "Waiting (I/O)", seconds=1)
    all_done(lise)

    for way in WAITING:
        assert answered(lise, way) >= 1
        assert sentence(lise, way).startswith("The request waited for the work"), way
    for way in QUICK:
        assert answered(lise, way) < answered(lise, "inline")
        assert sentence(lise, way).startswith("The request was answered after"), way
    request_pid = int(rows(lise, "inline")[0].get_attribute("data-request-pid") or 0)
    assert request_pid in web.family()
    for way in (*WAITING, "thread"):
        [row] = rows(lise, way)
        assert row.get_attribute("data-pid") == str(request_pid)
        assert row.get_by_text("same process").is_visible()
    [row] = rows(lise, "queued")
    assert int(row.get_attribute("data-pid") or 0) in cluster.family()
    assert row.get_by_text("another process").is_visible()
    for way in ("thread", "thread-join"):
        [row] = rows(lise, way)
        assert row.locator(".thread").inner_text().startswith("lab-1")
        assert row.get_attribute("data-request-thread") != "lab-1"
    for way in ("inline", "signal"):
        assert rows(lise, way)[0].locator(".thread").inner_text().endswith(OWN_THREAD), way
    lise.is_untroubled()


def test_four_receivers_wait_in_turn_or_together_and_bars_agree_with_the_table(lise: Visitor, cluster: Cluster) -> None:
    choose(lise, "Waiting (I/O)", seconds=0.5, fan_out=4)
    all_done(lise)

    assert answered(lise, "signal") >= 2
    assert 0.5 <= answered(lise, "async-signal") < answered(lise, "signal")
    assert answered(lise, "queued") < answered(lise, "signal")
    for way in Way:
        picture = lise.page.locator(f"#lane-{way.value} svg.picture")
        axis = float(picture.get_attribute("data-seconds") or 0)
        scale = axis / picture.evaluate("svg => svg.getBoundingClientRect().width")

        def seconds(kind: str, picture: Locator = picture, scale: float = scale) -> list[float]:
            # what is drawn, in pixels, without the stroke around it
            widths = picture.locator(f".bar-{kind}").evaluate_all("bars => bars.map(bar => bar.getBBox().width)")
            return [width * scale for width in widths]

        assert seconds("request") == pytest.approx([answered(lise, way.value)], rel=0.01, abs=axis / 1000)
        of_way = rows(lise, way.value)
        assert len(of_way) == 4
        assert seconds("worked") == pytest.approx([figure(row, "worked") for row in of_way], rel=0.01)
        if way == Way.QUEUED:
            waited = [figure(row, "waited") for row in of_way]
            assert seconds("queued") == pytest.approx(waited, rel=0.01, abs=axis / 1000)
        assert picture.locator(".answer").count() == 1


def test_cpu_work_of_threads_slows_other_visitors_and_nothing_else_does(
    lise: Visitor, web: Web, tmp_path: Path
) -> None:
    """What else runs on the machine only adds latency, so the quickest of some rounds counts."""
    waiting, in_threads, by_queue = [], [], []
    with Cluster(tmp_path / "cluster.log", **web.environment, WORKERS="1"):
        for _ in range(ROUNDS):
            waiting.append(latency(lise, "Waiting (I/O)", "thread"))
            in_threads.append(latency(lise, "CPU (pure Python)", "thread"))
            by_queue.append(latency(lise, "CPU (pure Python)", "queued"))
            if min(in_threads) > 2 * max(min(waiting), min(by_queue)):
                break

    assert min(in_threads) > 2 * min(waiting)
    assert min(in_threads) > 1.5 * min(by_queue)
    assert lise.page.get_by_text(re.compile(r"GIL")).first.is_visible()
    lise.is_untroubled()


def test_a_failure_once_is_made_good_by_the_queue_alone(lise: Visitor, cluster: Cluster) -> None:
    choose(lise, "Fails once, then succeeds", seconds=0.1, fan_out=2)
    all_done(lise)

    assert "1 receiver behind it never ran" in sentence(lise, "signal")
    assert "only the server's log knows" in sentence(lise, "thread")
    assert "attempt 1 failed, the next one succeeded" in sentence(lise, "queued")
    attempts = [row.get_attribute("data-attempt") for row in rows(lise, "queued")]
    assert attempts == ["1", "2", "1", "2"]
    assert lise.page.locator("#lane-queued .bar-failed").count() == 2
    lise.is_untroubled()


@pytest.mark.parametrize("death", list(Death))
def test_a_crash_loses_the_threads_work_and_not_the_queues(lise: Visitor, web: Web, death: Death) -> None:
    family = web.family()
    lise.page.get_by_label(death.value, exact=True).check()
    lise.page.get_by_role("button", name="Crash it").click()
    lise.page.get_by_text(f"Crash test with {death.value}").wait_for(timeout=PATIENCE)
    all_done(lise)

    [lost] = rows(lise, "thread")
    first, second = rows(lise, "queued")
    assert lost.get_by_text("LOST").is_visible()
    assert "nobody does it again" in sentence(lise, "thread")
    assert lise.page.locator("#lane-thread .bar-lost").count() == 1
    assert lise.page.locator("#lane-thread").get_by_text("LOST").is_visible()
    assert first.get_by_text("LOST").is_visible()
    assert second.get_by_text("done").is_visible()
    pids = [row.get_attribute("data-pid") for row in (lost, first, second)]
    assert len(set(pids)) == 3
    assert web.family() == family, "the web server was touched"
    assert Delivery.objects.get().state == State.SUCCESSFUL
    lise.is_untroubled()


def test_javascript_off_shows_the_same_facts(mary: Visitor, cluster: Cluster) -> None:
    choose(mary, "Waiting (I/O)", seconds=0.5)
    mary.page.wait_for_url("**/lab/run/*/", timeout=PATIENCE)
    wait_for_end(Delivery.objects.all())
    mary.page.reload()

    assert mary.page.locator(".lane").count() == 6
    for way in WAITING:
        assert answered(mary, way) >= 0.5
    for way in QUICK:
        assert answered(mary, way) < answered(mary, "inline")
    assert all(rows(mary, way.value)[0].get_by_text("done").is_visible() for way in Way)
    assert mary.page.locator("svg.picture .bar-worked").count() == 6
    assert mary.page.get_by_text("Nothing was measured: the pings come from the page").is_visible()


def test_six_ways_at_the_largest_setting_leave_the_site_standing(lise: Visitor, cluster: Cluster) -> None:
    """Begun and left: each of its requests takes a thread of the web server for up to forty seconds."""
    choose(lise, "Waiting (I/O)", seconds=5, fan_out=8, ways=("signal", "thread", "queued"))
    lise.page.locator("[data-live-words]").get_by_text("Signal").wait_for()
    with lise.page.expect_response("**/lab/ping/", timeout=5000) as answer:
        pass
    assert answer.value.ok
    lise.open("/shop/")
    lise.page.get_by_role("heading", name="Signal Supply").wait_for(timeout=5000)
