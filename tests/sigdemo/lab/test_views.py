"""The lab's pages: who may see them, what they refuse, and that each lane is one real request."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from sigdemo.lab import limits
from sigdemo.lab.facts import Lane, facts_of
from sigdemo.lab.forms import crash_plan
from sigdemo.lab.kinds import BY_A_WORKER, IN_THE_REQUEST, Death, Kind, Outcome, Way
from sigdemo.lab.models import LabRun
from signals_app.ledger import keep_stat
from signals_app.models import Delivery
from signals_app.testing import run_deliveries
from tests.cluster import wait_until
from tests.sigdemo.lab.runs import Measured, planned

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Answer

SETTING = {"kind": "wait", "seconds": "0.1", "fan_out": "2", "ways": [way.value for way in Way]}


def lanes_of(run: LabRun) -> dict[Way, Lane]:
    return {lane.way: lane for lane in facts_of(run).lanes}


def text(response: Answer) -> str:
    return response.content.decode()


@pytest.mark.django_db
def test_the_lab_is_for_staff_and_strangers_start_nothing(client: Client) -> None:
    run = planned(Way.INLINE)
    for path in ("/lab/", "/lab/cluster/"):
        assert "Only staff may use the lab" in text(client.get(path))
    for path in ("/lab/", "/lab/crash/", f"{run.get_absolute_url()}inline/"):
        assert client.post(path, SETTING | {"death": "SIGKILL"}).status_code == 403
    assert LabRun.objects.count() == 1


def test_a_ping_asks_for_nobody_and_touches_no_database(client: Client) -> None:
    answer = client.get("/lab/ping/")
    assert (answer.status_code, answer.content) == (200, b"pong")


def test_without_a_script_the_browser_is_led_from_lane_to_lane_and_each_measures_what_it_is_about(
    staff: Client,
) -> None:
    answer = staff.post("/lab/", {**SETTING, "seconds": "0.5", "fan_out": "4"}, follow=True)
    run = LabRun.objects.get()
    lanes_on_the_way = [(f"{run.get_absolute_url()}{way.value}/", 307) for way in Way]
    assert answer.redirect_chain == [*lanes_on_the_way, (f"{run.get_absolute_url()}#verdict", 303)]
    assert '<h2 class="verdict" id="verdict" tabindex="-1" autofocus>' in text(answer)
    wait_until(lambda: lanes_of(run)[Way.THREAD].is_over, "the end of the threads")
    lanes = lanes_of(run)
    answered = {way: lane.answered_after or 0.0 for way, lane in lanes.items()}
    assert answered[Way.INLINE] >= 2.0
    assert answered[Way.SIGNAL] >= 2.0
    for way in (Way.ASYNC_SIGNAL, Way.THREAD_JOIN):
        assert 0.5 <= answered[way] < sum(work.worked or 0.0 for work in lanes[way].works) * 0.9
    assert answered[Way.THREAD] < min(work.end for work in lanes[Way.THREAD].works)
    assert max(answered[way] for way in BY_A_WORKER) < 1.0
    for way in IN_THE_REQUEST:
        assert all(work.same_process and work.ended_well for work in lanes[way].works)
        assert [work.seat for work in lanes[way].works] == [1, 2, 3, 4]
    threads = {work.thread for way in (Way.THREAD, Way.THREAD_JOIN) for work in lanes[way].works}
    assert threads == {f"lab-{seat}" for seat in (1, 2, 3, 4)}
    assert {work.thread for work in lanes[Way.SIGNAL].works} == {threading.current_thread().name}
    assert Delivery.objects.count() == 8


def test_a_task_does_its_seats_work_in_a_worker(staff: Client) -> None:
    setting = {**SETTING, "kind": "fails-once", "seconds": "0.1", "fan_out": "2", "ways": ["task"]}
    staff.post("/lab/", setting, follow=True)
    run_deliveries()
    Delivery.objects.update(due_at=timezone.now())  # its second attempt
    run_deliveries()
    works = lanes_of(LabRun.objects.get())[Way.TASK].works
    assert [(work.seat, work.attempt, work.ended_well) for work in works] == [
        *((1, 1, False), (1, 2, True)),
        *((2, 1, False), (2, 2, True)),
    ]


def test_a_failing_signal_stops_and_an_async_one_does_not(staff: Client) -> None:
    ways = ["inline", "signal", "async-signal"]
    staff.post("/lab/", {**SETTING, "kind": "fails", "fan_out": "3", "ways": ways}, follow=True)
    lanes = lanes_of(LabRun.objects.get())
    for way in (Way.INLINE, Way.SIGNAL):
        assert [work.outcome for work in lanes[way].works] == [Outcome.FAILED]
        assert lanes[way].never_called == (2, 3)
        assert lanes[way].row.error == "LabFailure: Attempt 1 failed, as it was told to."
    assert len(lanes[Way.ASYNC_SIGNAL].works) == 3
    assert lanes[Way.ASYNC_SIGNAL].row.error
    assert all(lane.is_over for lane in lanes.values())


def test_a_lane_is_run_once_and_while_its_run_has_its_place(staff: Client) -> None:
    run = planned(Way.INLINE, Way.SIGNAL)
    answers = [staff.post(f"{run.get_absolute_url()}inline/", {"script": "1"}) for _ in range(2)]
    LabRun.objects.update(slot=None)
    answers.append(staff.post(f"{run.get_absolute_url()}signal/", {"script": "1"}))
    assert [(answer.status_code, text(answer)) for answer in answers] == [
        (200, "done"),
        (409, "This lane has been run already. Start a new run."),
        (409, "This run has given its place up. Start a new one."),
    ]
    assert [len(lane.works) for lane in lanes_of(run).values()] == [1, 0]
    assert staff.post(f"{run.get_absolute_url()}queued/").status_code == 404  # it was not chosen


@pytest.mark.database
def test_one_lane_of_a_run_is_under_way_at_a_time(staff: Client) -> None:
    run = planned(*(Way.INLINE, Way.SIGNAL, Way.THREAD_JOIN), seconds=0.5)

    def send(way: str) -> Answer:
        try:
            return staff.post(f"{run.get_absolute_url()}{way}/", {"script": "1"})
        finally:
            connection.close()

    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(send, ("inline", "signal", "thread-join")))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
    assert {text(answer) for answer in answers} == {
        "done",
        "Another lane of this run is under way. Wait until it is over.",
    }
    assert len([lane for lane in lanes_of(run).values() if lane.began]) == 1
    left = next(way for way, lane in lanes_of(run).items() if not lane.began)
    assert send(left.value).status_code == 200


def test_a_refused_form_says_what_would_be_right(staff: Client) -> None:
    refused = staff.post("/lab/", {**SETTING, "seconds": "60", "fan_out": "99"})
    assert refused.status_code == 422
    assert "Enter a duration from 0.1 to 5 seconds." in text(refused)
    assert "Enter a whole number of receivers from 1 to 8." in text(refused)
    assert not LabRun.objects.exists()


@pytest.mark.database
def test_a_fifth_run_is_refused_and_queues_nothing(staff: Client) -> None:
    for _ in range(4):
        assert staff.post("/lab/", {**SETTING, "script": "1"}).status_code == 302
    refused = staff.post("/lab/", {**SETTING, "script": "1"})
    assert refused.status_code == 429
    assert refused["Retry-After"] == "10"
    assert "4 runs are under way, which is the most the lab does at a time." in text(refused)
    assert set(LabRun.objects.values_list("slot", flat=True)) == {1, 2, 3, 4}
    assert not Delivery.objects.exists()


@pytest.mark.parametrize("script", [{}, {"script": "1"}])
def test_the_crash_of_a_run_is_tested_once_and_leads_to_the_verdict(staff: Client, script: dict[str, str]) -> None:
    """The processes are tested in test_crash; here there is none to be had, and the slot is another's."""
    answer = staff.post("/lab/", {"show": "1", "guess": "nobody", "script": "1"})
    run = LabRun.objects.get(guess="nobody")
    assert answer["Location"] == f"{run.get_absolute_url()}#go"
    other = limits.write(crash_plan(Death.SIGKILL), slot=limits.CRASH_SLOT)
    address, busy = f"{run.get_absolute_url()}crash/", "Another crash test is under way. Wait a few seconds, then start"
    refused = staff.post(address, script, follow=True)
    assert busy in text(refused)
    assert refused.status_code == (429 if script else 200)
    LabRun.objects.filter(pk=other.pk).update(slot=None)
    run.crash.lanes.update(started_at=timezone.now())
    again = staff.post(address, script, follow=True)
    assert "The crash of this run has been tested already. Start a new run." in text(again)
    assert again.status_code == (409 if script else 200)


@pytest.mark.parametrize("part", ["inline/", "crash/"])
def test_an_address_for_buttons_leads_back_with_a_sentence(staff: Client, part: str) -> None:
    run = planned(Way.INLINE)
    for address, back in ((f"{run.get_absolute_url()}{part}", run.get_absolute_url()), ("/lab/crash/", "/lab/")):
        answer = staff.get(address, follow=True)
        assert answer.redirect_chain == [(back, 302)]
        assert "That address only takes what a button of the lab sends to it. Nothing was run." in text(answer)
    assert not lanes_of(run)[Way.INLINE].began


def test_the_banner_is_there_while_no_cluster_of_the_queue_reports(staff: Client) -> None:
    run = Measured(Way.THREAD, answered=0.004).work(0.01, None, outcome="").run

    def reported(queue: str, seconds: int) -> bool:
        keep_stat(f"django_q:{queue}:cluster:1", "package", queue=queue, host="here", seconds=seconds)
        alive = bool(staff.get("/lab/cluster/").json()["cluster"])
        assert ('data-cluster="/lab/cluster/" hidden' in text(staff.get("/lab/"))) is alive
        state = {"lanes": {"thread": "running"}, "over": False, "cluster": alive}
        assert staff.get(f"{run.get_absolute_url()}state/").json() == state
        return alive

    assert [reported("other", 3), reported("sigdemo", 3), reported("sigdemo", -1)] == [False, True, False]


def test_pings_are_kept_once_and_shown(staff: Client) -> None:
    run = planned(Way.INLINE, Way.QUEUED, kind=Kind.CPU)
    address = f"{run.get_absolute_url()}pings/"

    def send(stretch: str, body: str) -> Answer:
        return staff.post(f"{address}{stretch}/", body, content_type="application/json")

    assert send("idle", f"[{'3,' * 49}3]").status_code == 204
    assert send("idle", "[100]").status_code == 204
    assert send("queued", f"[{'6,' * 49}6]").status_code == 204
    refused = send("inline", "[-1]")
    assert (refused.status_code, text(refused)) == (400, "A ping is not a number of milliseconds from 0 to 120000.")
    run.lanes.update(started_at=timezone.now())
    page = text(staff.get(run.get_absolute_url()))
    assert "Queue, CPU" in page
    assert "\N{MULTIPLICATION SIGN} 2.0" in page
    assert f'data-points="{"3.0," * 49}3.0"' in page


def test_a_permalink_shows_a_past_run(staff: Client) -> None:
    run = Measured(Way.QUEUED, answered=0.004).work(0.2, 0.5, queued_from=0.002, pid=77).run
    LabRun.objects.update(created_at=timezone.now().replace(year=2020))
    page = text(staff.get(run.get_absolute_url()))
    assert ">Queue: 4.0 ms.</h2>" in page
    assert "pid 77 · another process" in page
    assert page.count('class="bar bar-worked" x=') == 1
    assert "@queued_receiver(queued_work_wanted, max_attempts=3, priority=LOW)" in page
    assert staff.get("/lab/run/00000000-0000-0000-0000-000000000000/").status_code == 404
