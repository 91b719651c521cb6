"""Runs of the lab in a real browser: what they show is what happened, in the processes where it happened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sigdemo.lab.clock import duration
from sigdemo.lab.kinds import Death, Way
from sigdemo.lab.models import LabRun
from signals_app.models import Delivery, State
from tests.browser.lab import all_done, answered, badges, choose, figure, is_over, open_all, rows, verdict
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


def of_figures(guest: Visitor, *, seconds: float = 0.5) -> str:
    """Return what the verdict has to say, by the figures of the page's lanes."""
    signal, thread, queue = (answered(guest, way) for way in ("signal", "thread", "queued"))
    assert signal >= seconds > max(thread, queue)
    return (
        f"Signal: you waited {duration(signal)}. Thread: {duration(thread)}, and lost when the process died. "
        f"Queue: {duration(queue)}, and it survived."
    )


@pytest.mark.database
def test_show_me_gives_a_verdict_of_the_measured_figures(lise: Visitor, cluster: Cluster, web: Web) -> None:
    family = web.family()
    lise.page.get_by_label("Nobody").check()
    lise.page.get_by_role("button", name="Show me").click()
    is_over(lise)
    assert lise.page.evaluate("document.activeElement.id") == "verdict"
    assert lise.page.locator("#verdict").bounding_box()["y"] < 300  # type: ignore[index]
    assert not lise.page.get_by_role("button", name="Show me").is_visible(), "the form is not folded"
    all_done(lise)

    assert verdict(lise) == of_figures(lise)
    recorded = {lane.way: lane.answered_after for lane in LabRun.objects.get(guess="nobody").lanes.all()}
    assert {way: answered(lise, way) for way in recorded} == pytest.approx(recorded, abs=1e-5)
    assert lise.page.get_by_text("Your guess: nobody. Measured: whoever sends the signal.").is_visible()
    assert badges(lise, "signal") == ["the request waits"]
    assert badges(lise, "thread") == ["the request does not wait", "lost in a crash", "is not retried"]
    assert badges(lise, "queued") == ["the request does not wait", "survives a crash", "is retried"]
    code = lise.page.locator("#lane-queued .code").inner_text()
    assert code.startswith("@queued_receiver(queued_work_wanted, max_attempts=3, priority=LOW)\ndef ")
    assert lise.page.locator("#lane-thread").get_by_text("GIL").is_visible()
    [lost], [first, second] = rows(lise, "thread", group="crash"), rows(lise, "queued", group="crash")
    assert [row.locator(".outcome").inner_text() for row in (lost, first, second)] == ["LOST", "LOST", "done"]

    assert web.family() == family, "the web server was touched"
    lise.is_untroubled()


def test_show_me_without_javascript_answers_with_the_same_verdict(mary: Visitor, cluster: Cluster) -> None:
    mary.page.get_by_label("Whoever sends the signal").check()
    mary.page.get_by_role("button", name="Show me").click(timeout=PATIENCE)
    mary.page.wait_for_url("**/lab/run/*/#verdict", timeout=PATIENCE)

    assert verdict(mary) == of_figures(mary)
    assert mary.page.get_by_text("Your guess: whoever sends the signal. You were right.").is_visible()
    assert mary.page.locator("#verdict").bounding_box()["y"] < 300  # type: ignore[index]
    assert not mary.page.get_by_role("button", name="Show me").is_visible()


@pytest.mark.database
def test_the_ways_differ_in_who_waits_and_who_works(lise: Visitor, cluster: Cluster, web: Web) -> None:
    choose(lise, "Waiting (I/O)", seconds=1)
    all_done(lise)

    for way in WAITING:
        assert answered(lise, way) >= 1
        assert badges(lise, way) == ["the request waits"], way
    for way in QUICK:
        assert answered(lise, way) < answered(lise, "inline")
        assert badges(lise, way) == ["the request does not wait"], way
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
    assert lise.page.locator("#lane-queued").get_by_text("GIL").count() == 0
    lise.is_untroubled()


def test_a_failure_once_is_made_good_by_the_queue_alone(lise: Visitor, cluster: Cluster) -> None:
    choose(lise, "Fails once, then succeeds", seconds=0.1, fan_out=2)
    all_done(lise)

    assert "1 receiver behind it never ran" in verdict(lise)
    assert "only the server log knows it failed" in verdict(lise)
    assert "failed at attempt 1 and was done at attempt 2" in verdict(lise)
    assert badges(lise, "thread") == ["the request does not wait", "is not retried"]
    assert badges(lise, "queued") == ["the request does not wait", "is retried"]
    attempts = [row.get_attribute("data-attempt") for row in rows(lise, "queued")]
    assert attempts == ["1", "2", "1", "2"]
    assert lise.page.locator("#lane-queued .bar-failed").count() == 2
    lise.is_untroubled()


def test_a_crash_loses_the_threads_work_and_not_the_queues(lise: Visitor, web: Web) -> None:
    death, family = Death.EXIT, web.family()
    open_all(lise, ".others")
    lise.page.get_by_label(death.value, exact=True).check()
    lise.page.get_by_role("button", name="Crash it").click()
    lise.page.get_by_text(f"Crash test with {death.value}").wait_for(timeout=PATIENCE)
    all_done(lise)

    [lost] = rows(lise, "thread")
    first, second = rows(lise, "queued")
    assert lost.get_by_text("LOST").is_visible()
    assert "and lost when the process died." in verdict(lise)
    assert verdict(lise).endswith("and it survived.")
    assert badges(lise, "thread") == ["the request does not wait", "lost in a crash", "is not retried"]
    assert lise.page.locator("#lane-thread .bar-lost").count() == 1
    assert lise.page.locator("#lane-thread").get_by_text("LOST", exact=True).is_visible()
    assert first.get_by_text("LOST").is_visible()
    assert second.get_by_text("done").is_visible()
    pids = [row.get_attribute("data-pid") for row in (lost, first, second)]
    assert len(set(pids)) == 3
    assert web.family() == family, "the web server was touched"
    assert Delivery.objects.get().state == State.SUCCESSFUL
    lise.is_untroubled()


def test_javascript_off_shows_the_same_facts(mary: Visitor, cluster: Cluster) -> None:
    choose(mary, "Waiting (I/O)", seconds=0.5)
    mary.page.wait_for_url("**/lab/run/*/#verdict", timeout=PATIENCE)
    wait_for_end(Delivery.objects.all())
    mary.page.reload()

    open_all(mary, ".all-figures")
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
