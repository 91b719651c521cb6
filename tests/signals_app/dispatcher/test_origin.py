"""Who sent an emission, and from where."""

from __future__ import annotations

from typing import Any

import pytest
from django.dispatch import Signal
from django.test import RequestFactory, override_settings

from signals_app.conf import conf
from signals_app.console.operations import CANCEL, RETRY, Operator, perform
from signals_app.dispatcher.emission import Origin, command_in, current_origin, delivery_in, sending
from signals_app.worker.loop import drain
from tests.signals_app.listeners import written
from tests.testapp.receivers import enqueue, nothing, sends_on


class Guest:
    """A user of a project's own, whose name may be an error."""

    def __init__(self, name: object) -> None:
        self.name = name

    def get_username(self) -> object:
        """Return the name, or fail."""
        if isinstance(self.name, Exception):
            raise self.name
        return self.name


def request_of(user: object = None, method: str = "POST", path: str = "/checkout/") -> Origin:
    request: Any = RequestFactory().generic(method, "/")
    request.path = path
    if user is not None:
        request.user = user
    return Origin.of(request)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("ada", "ada"),
        (42, "42"),
        ("ada\nroot\0", "ada\\nroot\\x00"),
        ("x" * 151, "x" * 149 + "…"),
        ("x" * 150, "x" * 150),
    ],
    ids=["a name", "a number", "control characters", "too long", "just right"],
)
def test_a_user_is_one_line_that_fits_its_column(name: object, shown: str) -> None:
    assert request_of(Guest(name)).user() == shown


@pytest.mark.parametrize("user", [Guest(ValueError("token=abc")), object()], ids=["fails", "has no name"])
def test_a_user_that_cannot_tell_its_name_is_nobody_and_a_warning(
    user: object, caplog: pytest.LogCaptureFixture
) -> None:
    assert request_of(user).user() == ""
    assert "It cannot be told whose request POST /checkout/ is: " in caplog.text
    assert "abc" not in caplog.text


@pytest.mark.parametrize(
    ("method", "path", "place"),
    [
        ("GET", "/\ud800/", "GET /\\ud800/"),
        ("X" * 300, "/", "X" * 199 + "…"),
        ("GET", "/" + "\x1b" * 190, ("GET /" + "\\x1b" * 60)[:199] + "…"),
    ],
    ids=["half of a surrogate pair", "long method", "escapes"],
)
def test_a_request_is_one_line_that_fits_its_column(method: str, path: str, place: str) -> None:
    assert request_of(method=method, path=path).place == place


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["/srv/site/manage.py", "place_orders", "--password=x"], "manage.py place_orders"),
        (["/usr/bin/django-admin", "shell"], "django-admin shell"),
        (["manage.py"], "manage.py"),
        (["/usr/bin/gunicorn", "sigdemo.wsgi"], ""),
        ([], ""),
    ],
    ids=["manage.py", "django-admin", "no command", "a server", "nothing"],
)
def test_a_command_is_known_by_its_name_alone(words: list[str], said: str) -> None:
    assert command_in(words) == said


def test_only_a_deliverys_place_is_taken_for_one() -> None:
    assert delivery_in("delivery #12") == 12
    for place in ("", "DELIVERY #12 /", "delivery #12 /", "GET /delivery #12", "delivery #-1", "delivery #²"):
        assert delivery_in(place) is None


def test_the_request_within_is_the_one_that_counts() -> None:
    outer, inner = request_of(), request_of(path="/inner/")
    with sending(outer):
        with pytest.raises(ZeroDivisionError), sending(inner):  # noqa: PT012 - the first line is looked at
            assert current_origin() is inner
            raise ZeroDivisionError
        assert current_origin() is outer
    assert current_origin().place == ""


@pytest.mark.django_db
def test_what_a_receiver_sends_says_which_delivery_sent_it_whoever_runs_it_and_operators_leave_it() -> None:
    with sending(request_of(Guest("ada"))):
        delivery, other = enqueue(sends_on), enqueue(nothing)
        for operation in (CANCEL, RETRY):
            perform(operation, [other.pk], by=Operator(name="grace"))
        drain(conf.queue)

    request = ("ada", "POST /checkout/")
    assert [(one.sent_by, one.sent_from) for one in written()] == [request, request, ("", f"delivery #{delivery.pk}")]


@override_settings(SIGNALS_APP={"IMMEDIATE": True})
def test_nobody_is_looked_up_for_what_runs_at_once(caplog: pytest.LogCaptureFixture) -> None:
    with sending(request_of(Guest(ValueError("not asked")))):
        nothing(signal=Signal(), sender=None)

    assert not caplog.records
