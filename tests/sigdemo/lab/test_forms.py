"""The server checks what the lab's forms send, whatever the browser let through."""

from typing import Any

import pytest

from sigdemo.lab.forms import CrashForm, LabForm, ShowForm
from sigdemo.lab.kinds import Death, Kind, Way

GOOD: dict[str, Any] = {"kind": "wait", "seconds": "0.5", "fan_out": "2", "ways": ["queued", "inline"]}
SECONDS = "Enter a duration from 0.1 to 5 seconds."
RECEIVERS = "Enter a whole number of receivers from 1 to 8."
WAYS = "Choose at least one of the seven ways."


def test_a_valid_form_is_a_plan_in_the_labs_order() -> None:
    form = LabForm(GOOD)
    assert form.is_valid()
    plan = form.plan()
    assert (plan.kind, plan.seconds, plan.fan_out, list(plan.ways)) == (Kind.WAIT, 0.5, 2, [Way.INLINE, Way.QUEUED])
    assert all(LabForm({**GOOD, "seconds": seconds}).is_valid() for seconds in ("0.1", "5"))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        *(("seconds", value, SECONDS) for value in ("0.09", "5.1", "nan", "inf", "")),
        *(("fan_out", value, RECEIVERS) for value in ("0", "9", "1.5")),
        ("kind", "harm", "Choose one of the kinds of work."),
        *(("ways", value, WAYS) for value in (["pigeon"], [])),
    ],
)
def test_a_value_outside_is_refused_with_what_would_be_right(field: str, value: Any, message: str) -> None:
    assert LabForm({**GOOD, field: value}).errors == {field: [message]}


def test_a_crash_test_is_a_thread_and_the_queue_and_the_show_ends_with_one() -> None:
    form, show = CrashForm({"death": "os._exit"}), ShowForm({})
    assert form.is_valid()
    assert show.is_valid()
    assert (form.plan().death, list(form.plan().ways)) == (Death.EXIT, [Way.THREAD, Way.QUEUED])
    assert not CrashForm({"death": "rm"}).is_valid()
    assert (list(show.plan().ways), show.plan().guess) == ([Way.SIGNAL, Way.THREAD, Way.QUEUED], "")
    assert show.plan().crash
    assert ShowForm({"guess": "me"}).errors == {"guess": ["Choose one of the guesses, or none."]}
