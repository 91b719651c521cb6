"""The lab's pages: who may see them, what they refuse, and that each lane is one real request."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.test import Client, override_settings
from django.utils import timezone

from sigdemo.lab.facts import Lane, facts_of
from sigdemo.lab.kinds import IN_THE_REQUEST, Kind, Outcome, Way
from sigdemo.lab.models import LabRun
from signals_app.ledger import keep_stat
from signals_app.models import Delivery
from tests.cluster import wait_until
from tests.sigdemo.lab.runs import Measured, planned

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Answer

SETTING = {"kind": "wait", "seconds": "0.1", "fan_out": "2", "ways": [way.value for way in Way]}
BANNER_HIDDEN = 'data-cluster="/lab/cluster/" hidden'


def lanes_of(run: LabRun) -> dict[Way, Lane]:
    return {lane.way: lane for lane in facts_of(run).lanes}


def text(response: Answer) -> str:
    return response.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/lab/", "/lab/cluster/"])
def test_the_lab_is_for_staff(path: str, client: Client) -> None:
    refused = client.get(path)

    assert refused.status_code == 403
    assert "Only staff may use the lab" in text(refused)


@pytest.mark.django_db
def test_strangers_start_nothing(client: Client) -> None:
    run = planned(Way.INLINE)

    assert client.post("/lab/", SETTING).status_code == 403
    assert client.post("/lab/crash/", {"death": "SIGKILL"}).status_code == 403
    assert client.post(f"{run.get_absolute_url()}inline/").status_code == 403
    assert LabRun.objects.count() == 1


@pytest.mark.django_db
@override_settings(DEBUG=True)
def test_the_lab_is_open_to_all_in_debug(client: Client) -> None:
    assert client.get("/lab/").status_code == 200


def test_a_ping_asks_for_nobody_and_touches_no_database(client: Client) -> None:
    answer = client.get("/lab/ping/")

    assert (answer.status_code, answer.content) == (200, b"pong")


def test_without_a_script_the_browser_is_led_from_lane_to_lane(staff: Client) -> None:
    answer = staff.post("/lab/", SETTING, follow=True)

    run = LabRun.objects.get()
    addresses = [f"{run.get_absolute_url()}{way.value}/" for way in Way]
    assert answer.redirect_chain == [*((address, 307) for address in addresses), (run.get_absolute_url(), 303)]
    assert answer.status_code == 200
    wait_until(lambda: lanes_of(run)[Way.THREAD].is_over, "the end of the threads")
    lanes = lanes_of(run)
    assert all(lane.answered_after is not None for lane in lanes.values())
    assert [lane.way for lane in lanes.values() if not lane.is_over] == [Way.QUEUED]


def test_what_the_lanes_measure_is_what_they_are_about(staff: Client) -> None:
    staff.post("/lab/", {**SETTING, "seconds": "0.5", "fan_out": "4"}, follow=True)
    run = LabRun.objects.get()
    wait_until(lambda: lanes_of(run)[Way.THREAD].is_over, "the end of the threads")

    lanes = lanes_of(run)
    answered = {way: lane.answered_after or 0.0 for way, lane in lanes.items()}
    assert answered[Way.INLINE] >= 2.0
    assert answered[Way.SIGNAL] >= 2.0
    for way in (Way.ASYNC_SIGNAL, Way.THREAD_JOIN):
        assert 0.5 <= answered[way] < sum(work.worked or 0.0 for work in lanes[way].works) * 0.9
    assert answered[Way.THREAD] < min(work.end for work in lanes[Way.THREAD].works)
    assert answered[Way.QUEUED] < 1.0
    for way in IN_THE_REQUEST:
        assert all(work.same_process and work.ended_well for work in lanes[way].works)
        assert [work.seat for work in lanes[way].works] == [1, 2, 3, 4]
    threads = {work.thread for way in (Way.THREAD, Way.THREAD_JOIN) for work in lanes[way].works}
    assert threads == {f"lab-{seat}" for seat in (1, 2, 3, 4)}
    assert {work.thread for work in lanes[Way.SIGNAL].works} == {threading.current_thread().name}
    assert Delivery.objects.count() == 4


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


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_failing_thread_leaves_the_answer_good(staff: Client) -> None:
    staff.post("/lab/", {**SETTING, "kind": "fails", "ways": ["thread-join"]}, follow=True)

    lane = lanes_of(LabRun.objects.get())[Way.THREAD_JOIN]
    assert [work.outcome for work in lane.works] == [Outcome.FAILED] * 2
    assert lane.row.error == ""


def test_a_lane_is_run_once(staff: Client) -> None:
    address = f"{planned(Way.INLINE).get_absolute_url()}inline/"
    first, second = (staff.post(address, {"script": "1"}) for _ in range(2))

    assert (first.status_code, text(first)) == (200, "done")
    assert (second.status_code, text(second)) == (409, "This lane has been run already. Start a new run.")
    assert len(lanes_of(LabRun.objects.get())[Way.INLINE].works) == 1


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


def test_a_run_that_gave_its_place_up_runs_no_more_lanes(staff: Client) -> None:
    run = planned(Way.INLINE)
    LabRun.objects.update(slot=None)
    refused = staff.post(f"{run.get_absolute_url()}inline/", {"script": "1"})

    assert (refused.status_code, text(refused)) == (409, "This run has given its place up. Start a new one.")
    assert not lanes_of(run)[Way.INLINE].began


def test_a_way_that_was_not_chosen_is_not_there(staff: Client) -> None:
    assert staff.post(f"{planned(Way.INLINE).get_absolute_url()}queued/").status_code == 404


def test_a_refused_form_says_what_would_be_right(staff: Client) -> None:
    refused = staff.post("/lab/", {**SETTING, "seconds": "60", "fan_out": "99"})

    assert refused.status_code == 422
    assert "Enter a duration from 0.1 to 5 seconds." in text(refused)
    assert "Enter a whole number of receivers from 1 to 8." in text(refused)
    assert not LabRun.objects.exists()


def test_a_fifth_run_is_refused_and_queues_nothing(staff: Client) -> None:
    for _ in range(4):
        assert staff.post("/lab/", {**SETTING, "script": "1"}).status_code == 302
    refused = staff.post("/lab/", {**SETTING, "script": "1"})

    assert refused.status_code == 429
    assert refused["Retry-After"] == "10"
    assert "4 runs are under way, which is as many as the lab does at a time." in text(refused)
    assert LabRun.objects.count() == 4
    assert not Delivery.objects.exists()


def test_with_a_script_the_page_itself_goes_on(staff: Client) -> None:
    answer = staff.post("/lab/", {**SETTING, "script": "1"})

    assert answer["Location"] == f"{LabRun.objects.get().get_absolute_url()}#go"
    assert not any(lane.began for lane in lanes_of(LabRun.objects.get()).values())


def test_the_banner_is_there_while_no_cluster_reports(staff: Client) -> None:
    assert BANNER_HIDDEN not in text(staff.get("/lab/"))
    assert staff.get("/lab/cluster/").json() == {"cluster": False}

    keep_stat("django_q:sigdemo:cluster:1", "package", queue="sigdemo", host="here", seconds=3)
    assert BANNER_HIDDEN in text(staff.get("/lab/"))
    assert staff.get("/lab/cluster/").json() == {"cluster": True}

    keep_stat("django_q:sigdemo:cluster:1", "package", queue="sigdemo", host="here", seconds=-1)
    assert staff.get("/lab/cluster/").json() == {"cluster": False}


def test_a_cluster_of_another_queue_does_not_count(staff: Client) -> None:
    keep_stat("django_q:other:cluster:1", "package", queue="other", host="here", seconds=3)

    assert staff.get("/lab/cluster/").json() == {"cluster": False}


def test_the_state_tells_how_far_each_lane_is(staff: Client) -> None:
    run = Measured(Way.THREAD, answered=0.004).work(0.01, None, outcome="").run

    assert staff.get(f"{run.get_absolute_url()}state/").json() == {
        "lanes": {"thread": "running"},
        "over": False,
        "cluster": False,
    }


def test_pings_are_kept_once_and_shown(staff: Client) -> None:
    run = planned(Way.INLINE, Way.QUEUED, kind=Kind.CPU)
    address = f"{run.get_absolute_url()}pings/"

    def send(stretch: str, body: str) -> Answer:
        return staff.post(f"{address}{stretch}/", body, content_type="application/json")

    assert send("idle", "[1, 2, 3]").status_code == 204
    assert send("idle", "[100]").status_code == 204
    assert send("queued", "[6, 6]").status_code == 204
    refused = send("inline", "[-1]")
    assert (refused.status_code, text(refused)) == (400, "A ping is no number of milliseconds from 0 to 120000.")

    page = text(staff.get(run.get_absolute_url()))
    assert "Queued receiver, CPU" in page
    assert "\N{MULTIPLICATION SIGN} 2.0" in page
    assert 'data-points="1.0,2.0,3.0"' in page


def test_a_permalink_shows_a_past_run(staff: Client) -> None:
    run = Measured(Way.QUEUED, answered=0.004).work(0.2, 0.5, queued_from=0.002, pid=77).run
    LabRun.objects.update(created_at=timezone.now().replace(year=2020))
    page = text(staff.get(run.get_absolute_url()))

    assert "The request was answered after 4.0 ms, before the work began." in page
    assert "pid 77 · another process" in page
    assert page.count('class="bar bar-worked" x=') == 1
    assert staff.get("/lab/run/00000000-0000-0000-0000-000000000000/").status_code == 404


def test_the_page_has_no_inline_script_or_style(staff: Client) -> None:
    run = Measured(Way.QUEUED, answered=0.004).work(0.2, 0.5, queued_from=0.002).run
    page = text(staff.get(run.get_absolute_url()))

    assert "<style" not in page
    assert " style=" not in page
    assert page.count("<script") == page.count('<script src="/static/lab/')
