"""What only the sender knows: ``sending()`` says when a send is due, how urgent it is, and which cluster runs it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.dispatch import Signal
from django.test import override_settings
from django.utils import timezone

from signals_app.conf import conf
from signals_app.dispatcher import bulk, sending
from signals_app.exceptions import ReceiverError
from signals_app.models import Delivery
from tests.signals_app.listeners import Make, first, listening, second, written

pytestmark = pytest.mark.django_db

announced = Signal()
HOUR = timedelta(hours=1)


def waits(delivery: Delivery) -> float:
    return (delivery.due_at - delivery.enqueued_at).total_seconds()


def plain(sender: object, **kwargs: Any) -> None: ...


@pytest.mark.database
def test_a_send_in_the_block_is_due_later_goes_first_and_belongs_to_another_queue() -> None:
    with listening(announced, first, second):
        with sending(delay=HOUR, priority=7, queue="night"):
            announced.send(None)
            async_to_sync(announced.asend)(None)
            with bulk():
                announced.send(None)
        announced.send(None)
    said = [(waits(one), one.priority, one.queue) for one in written()]
    assert said == [(3600, 7, "night")] * 6 + [(0, 0, conf.queue)] * 2


def test_a_block_within_a_block_says_the_rest() -> None:
    with listening(announced, first), sending(delay=60, priority=1):
        with sending(priority=2), sending(delay=0):
            announced.send(None)
        announced.send(None)
    assert [(waits(one), one.priority) for one in written()] == [(0, 2), (60, 1)]


def test_a_time_takes_the_place_of_a_delay_and_one_that_is_past_is_now(made: Make) -> None:
    tonight = timezone.now() + timedelta(hours=5)
    delayed = made(plain, delay=60)
    with listening(announced, delayed):
        with sending(delay=10), sending(at=tonight):
            announced.send(None)
        with sending(at=tonight - timedelta(days=1)):
            announced.send(None)
    later, now = written()
    assert abs(later.due_at - tonight) < timedelta(seconds=5)
    assert waits(now) == 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"delay": -1}, "sending(delay=-1): delay is seconds, 0 to ten years."),
        ({"priority": "high"}, "sending(priority='high'): priority is a whole number from -32768 to 32767"),
        ({"queue": ""}, "sending(queue=''): queue is a cluster name, 1 to 100 printable characters."),
        ({"delay": 1, "at": datetime(2026, 1, 1)}, "sending() takes a delay or a time, at=..., not both."),  # noqa: DTZ001
        ({"at": 5}, "sending(at=5): at is a datetime."),
        ({"at": datetime(2026, 1, 1)}, "this project has USE_TZ=True. Give it a time zone"),  # noqa: DTZ001
    ],
)
def test_what_an_option_would_not_take_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the text is what matters
        sending(**given)
    assert message in str(caught.value)


def test_what_would_have_expired_by_then_is_refused_and_nothing_is_written(made: Make) -> None:
    brief = made(plain, key="brief", expires=30)
    with (
        listening(announced, first, brief),
        sending(delay=HOUR),
        pytest.raises(ReceiverError, match=r"^brief has expires=30, and sending\(\) puts it off for 3600 s"),
        bulk(),
    ):
        announced.send(None)
    assert written() == []


@override_settings(SIGNALS_APP={"IMMEDIATE": True})
def test_under_immediate_it_runs_at_once_all_the_same() -> None:
    with listening(announced, first), sending(delay=HOUR):
        ((_, answer),) = announced.send(None)
    assert (answer, written()) == ("first is done", [])
