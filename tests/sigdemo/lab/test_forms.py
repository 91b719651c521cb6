"""The server checks what the lab's form sends, whatever the browser let through."""

from typing import Any

import pytest
from django.http import QueryDict

from sigdemo.lab.forms import CrashForm, LabForm
from sigdemo.lab.kinds import Death, Kind, Way

GOOD: dict[str, Any] = {"kind": "wait", "seconds": "0.5", "fan_out": "2", "ways": ["queued", "inline"]}


def posted(**fields: Any) -> QueryDict:
    data = QueryDict(mutable=True)
    for name, value in {**GOOD, **fields}.items():
        data.setlist(name, value if isinstance(value, list) else [value])
    return data


def test_a_valid_form_is_a_plan_in_the_labs_order() -> None:
    form = LabForm(posted())

    assert form.is_valid()
    plan = form.plan()
    assert (plan.kind, plan.seconds, plan.fan_out, list(plan.ways)) == (Kind.WAIT, 0.5, 2, [Way.INLINE, Way.QUEUED])


def test_run_all_six_counts_for_more_than_the_boxes() -> None:
    form = LabForm(posted(ways=[], all="1"))

    assert form.is_valid()
    assert list(form.plan().ways) == list(Way)


@pytest.mark.parametrize("seconds", ["0.1", "5"])
def test_the_ends_of_the_duration_are_taken(seconds: str) -> None:
    assert LabForm(posted(seconds=seconds)).is_valid()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("seconds", "0.09", "Enter a duration from 0.1 to 5 seconds."),
        ("seconds", "5.1", "Enter a duration from 0.1 to 5 seconds."),
        ("seconds", "nan", "Enter a duration from 0.1 to 5 seconds."),
        ("seconds", "inf", "Enter a duration from 0.1 to 5 seconds."),
        ("seconds", "", "Enter a duration from 0.1 to 5 seconds."),
        ("fan_out", "0", "Enter a whole number of receivers from 1 to 8."),
        ("fan_out", "9", "Enter a whole number of receivers from 1 to 8."),
        ("fan_out", "1.5", "Enter a whole number of receivers from 1 to 8."),
        ("kind", "harm", "Choose one of the kinds of work."),
        ("ways", ["pigeon"], "Choose at least one of the six ways."),
        ("ways", [], "Choose at least one of the six ways."),
    ],
)
def test_a_value_outside_is_refused_with_what_would_be_right(field: str, value: Any, message: str) -> None:
    form = LabForm(posted(**{field: value}))

    assert form.errors == {field: [message]}


def test_a_crash_test_is_a_thread_and_the_queue() -> None:
    form = CrashForm(QueryDict("death=os._exit"))

    assert form.is_valid()
    assert (form.plan().death, list(form.plan().ways)) == (Death.EXIT, [Way.THREAD, Way.QUEUED])
    assert not CrashForm(QueryDict("death=rm")).is_valid()
