"""Runs of the lab in a real browser: what they show is what happened, in the processes where it happened."""

from __future__ import annotations

import pytest

from sigdemo.lab.clock import duration
from sigdemo.lab.kinds import Death
from sigdemo.lab.models import LabRun
from tests.browser.lab import all_done, answered, badges, choose, is_over, open_all, rows, verdict
from tests.browser.visitor import PATIENCE, Visitor
from tests.browser.web import Web
from tests.cluster import Cluster


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


def test_other_visitors_are_measured_and_drawn_while_a_lane_is_run(lise: Visitor) -> None:
    choose(lise, "CPU (pure Python)", seconds=1, fan_out=4, ways=("thread",))
    all_done(lise)

    run = LabRun.objects.get()
    for samples in (run.idle_pings, run.lanes.get().pings):
        assert len(samples) > 1
        assert all(0 < one < 120_000 for one in samples)
    assert lise.page.locator(".visitors svg.plot path").count() == 2
    assert lise.page.locator("#lane-thread").get_by_text("GIL").is_visible()
    lise.is_untroubled()


def test_a_crash_is_run_on_its_own_and_leaves_the_web_server_alone(lise: Visitor, web: Web) -> None:
    death, family = Death.EXIT, web.family()
    open_all(lise, ".others")
    lise.page.get_by_label(death.value, exact=True).check()
    lise.page.get_by_role("button", name="Crash it").click()
    lise.page.get_by_text(f"Crash test with {death.value}").wait_for(timeout=PATIENCE)
    all_done(lise)

    [lost], [first, second] = rows(lise, "thread"), rows(lise, "queued")
    assert [row.locator(".outcome").inner_text() for row in (lost, first, second)] == ["LOST", "LOST", "done"]
    assert lise.page.locator("#lane-thread .bar-lost").count() == 1
    assert "and lost when the process died." in verdict(lise)
    assert web.family() == family, "the web server was touched"
    lise.is_untroubled()


def test_six_ways_at_the_largest_setting_leave_the_site_standing(lise: Visitor, cluster: Cluster) -> None:
    """Begun and left: each of its requests takes a thread of the web server for up to forty seconds."""
    choose(lise, "Waiting (I/O)", seconds=5, fan_out=8, ways=("signal", "thread", "queued"))
    lise.page.locator("[data-live-words]").get_by_text("Signal").wait_for()
    with lise.page.expect_response("**/lab/ping/", timeout=5000) as answer:
        pass
    assert answer.value.ok
    lise.open("/shop/")
    lise.page.get_by_role("heading", name="Signal Supply").wait_for(timeout=5000)


def test_a_django_task_is_done_by_a_worker_as_queued_work_is(lise: Visitor, cluster: Cluster) -> None:
    choose(lise, "Fails once, then succeeds", seconds=0.1, ways=("queued", "task"))
    all_done(lise)
    for way in ("queued", "task"):
        assert [row.locator(".outcome").inner_text() for row in rows(lise, way)] == ["failed", "done"]
        assert badges(lise, way) == ["the request does not wait", "is retried"]
    code = lise.page.locator("#lane-task .code").inner_text()
    assert code.startswith("@task(priority=-10)\n@task_options(max_attempts=ATTEMPTS)\ndef do_work(")
    lise.is_untroubled()
