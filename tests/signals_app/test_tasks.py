"""Django's own tasks as deliveries: what Django asks of a backend, and what deliveries promise beside that."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import transaction
from django.test import Client, override_settings
from django.urls import reverse
from django.utils import timezone

from signals_app import ledger
from signals_app import tasks as backend
from signals_app.conf import conf
from signals_app.console.signals_map.graph import signals_map
from signals_app.dispatcher import bulk, registry
from signals_app.exceptions import PayloadTooLarge, ReceiverError, SignalsAppError
from signals_app.models import Attempt, Delivery, State
from signals_app.tasks import task_options
from signals_app.testing import run_deliveries
from tests.cluster import wait_until
from tests.signals_app.checks.said import assert_mended, assert_said
from tests.signals_app.listeners import listening
from tests.signals_app.projects import Project
from tests.testapp import receivers
from tests.testapp import tasks as of_tests
from tests.testapp.models import Effect
from tests.testapp.receivers import enqueue

tasks: Any = of_tests
django: Any = backend  # what is Django's in it, or the backport's

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


def run_all() -> None:
    """Run what is due, and what soon will be."""

    def is_idle() -> bool:
        run_deliveries()
        return not Delivery.objects.filter(state=State.READY, due_at__lt=timezone.now() + timedelta(minutes=1)).exists()

    wait_until(is_idle, "the end of all tasks")


def path(name: str) -> str:
    return f"tests.testapp.tasks.{name}"


# Enqueueing


def test_an_enqueued_task_waits_as_a_delivery_under_its_own_name() -> None:
    result = tasks.add.enqueue(1, two=3)
    delivery = Delivery.objects.get()
    assert (delivery.receiver, delivery.signal) == (path("add"), "signals_app.tasks.task_wanted")
    assert (delivery.queue, delivery.priority) == (conf.queue, 0)
    assert (result.status, result.attempts, result.errors, result.worker_ids) == ("READY", 0, [], [])
    assert (result.args, result.kwargs, result.task, result.backend) == ([1], {"two": 3}, tasks.add, "default")
    assert (result.enqueued_at, result.started_at, result.last_attempted_at) == (delivery.enqueued_at, None, None)
    with pytest.raises(ValueError, match="has not finished yet"):
        assert result.return_value


@pytest.mark.parametrize("task", [tasks.add, tasks.add_async])
def test_a_task_runs_in_a_worker_and_its_result_can_be_read(task: Any) -> None:
    result = task.enqueue(1)
    assert run_deliveries() == 1
    result.refresh()
    assert (result.status, result.return_value, result.attempts) == ("SUCCESSFUL", 3, 1)
    assert result.enqueued_at <= result.started_at == result.last_attempted_at <= result.finished_at
    assert result.worker_ids == [Delivery.objects.get().owner]
    assert task.get_result(result.id) == result
    assert Effect.objects.count() == 1


def test_coroutines_enqueue_and_read_as_functions_do() -> None:
    async def enqueue_and_read() -> Any:
        result = await tasks.add.aenqueue(1)
        return result, await tasks.add.aget_result(result.id)

    result, read = async_to_sync(enqueue_and_read)()
    assert result == read
    run_deliveries()
    async_to_sync(result.arefresh)()
    assert result.return_value == 3


def test_a_task_is_gone_with_the_transaction_that_enqueued_it() -> None:
    with transaction.atomic():
        result = tasks.add.enqueue(1)
        transaction.set_rollback(True)
    with pytest.raises(django.TaskResultDoesNotExist):
        tasks.add.get_result(result.id)


def test_priority_queue_and_time_are_those_of_the_delivery() -> None:
    later = timezone.now() + timedelta(hours=1)
    task = tasks.elsewhere.using(priority=-100, run_after=later)
    result = task.enqueue()
    delivery = Delivery.objects.get()
    assert (delivery.queue, delivery.priority) == ("elsewhere", -100)
    assert abs(delivery.due_at - later) < timedelta(seconds=5)
    assert task.get_result(result.id).task == task
    Delivery.objects.all().delete()
    back = tasks.elsewhere.using(queue_name="default", run_after=timezone.now() - timedelta(days=1))
    result = back.enqueue()
    assert Delivery.objects.get().queue == conf.queue
    assert tasks.elsewhere.get_result(result.id).task == back
    assert run_deliveries() == 1


def test_a_result_can_be_read_after_an_operator_moved_the_task_to_another_queue() -> None:
    result = tasks.add.enqueue(1)
    ledger.move([Delivery.objects.get().pk], queue="lab-crash")
    assert tasks.add.get_result(result.id).task.queue_name == "default"


def test_tasks_enqueued_in_bulk_are_written_together() -> None:
    with bulk():
        results = [tasks.add.enqueue(number) for number in range(3)]
        assert not Delivery.objects.exists()
        assert len({result.id for result in results}) == 3
    run_deliveries()
    assert [tasks.add.get_result(result.id).return_value for result in results] == [2, 3, 4]


def test_each_task_has_an_id_of_its_own() -> None:
    results = [task.enqueue(1) for _ in range(20) for task in (tasks.add, tasks.add_async)]
    assert len({result.id for result in results}) == 40


@pytest.mark.parametrize(
    ("use", "error", "said"),
    [
        (lambda: tasks.add.using(queue_name="unheard"), django.InvalidTask, "Queue 'unheard' is not valid"),
        (lambda: tasks.add.using(priority=101), django.InvalidTask, "between -100 and 100"),
        (lambda: tasks.add.using(priority=1.5), django.InvalidTask, "a whole number"),
        (lambda: tasks.add.using(run_after=datetime.now()), django.InvalidTask, "must be an aware"),  # noqa: DTZ005
        (lambda: tasks.add.enqueue(timezone.now()), TypeError, "Unsupported type"),
        (lambda: tasks.add.enqueue(), TypeError, r"tests\.testapp\.tasks\.add\(\) missing a required argument: 'one'"),
        (lambda: tasks.tell.enqueue(1, 2), TypeError, r"tasks\.tell\(\) too many positional arguments"),
        (lambda: tasks.add.enqueue("x" * 100_000), PayloadTooLarge, "the largest is args"),
        (
            lambda: django.task_backends["default"].validate_task(tasks.task(any)),
            django.InvalidTask,
            "at a module level",
        ),
    ],
)
def test_what_cannot_run_is_refused_as_it_is_asked_for(use: Callable[[], Any], error: Any, said: str) -> None:
    with pytest.raises(error, match=said):
        use()
    assert not Delivery.objects.exists()


def test_queues_are_looked_at_again_as_a_task_is_enqueued() -> None:
    task = tasks.elsewhere.using(priority=1)
    ours = {"BACKEND": "signals_app.tasks.DeliveryBackend", "QUEUES": ["default"]}
    with override_settings(TASKS={"default": ours}), pytest.raises(django.InvalidTask, match="Queue 'elsewhere'"):
        task.enqueue()


def test_no_task_of_that_id() -> None:
    delivery = enqueue(receivers.work)
    for wrong in ("123", str(delivery.emission), "0196f3a5-0000-7000-8000-000000000000"):
        with pytest.raises(django.TaskResultDoesNotExist):
            tasks.add.get_result(wrong)


# Results and errors


@pytest.mark.parametrize("value", [None, 0, "", [], {"a": [1, None, "ü\n"]}, [[1.5, True]]])
def test_what_a_task_returns_is_kept(value: Any) -> None:
    result = tasks.give_back.enqueue(value)
    run_deliveries()
    assert tasks.give_back.get_result(result.id).return_value == value


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a set", "returned what is no JSON: Unsupported type: <class 'set'>. Return None, bool"),
        ("a circle", "returned what is no JSON: maximum recursion depth exceeded"),
        ("much", 'returned 100,002 bytes of JSON; SIGNALS_APP["MAX_PAYLOAD"] allows 65,536'),
    ],
)
def test_what_cannot_be_kept_fails_the_task_once_and_with_its_effects(name: str, said: str) -> None:
    result = tasks.give_what.enqueue(name)
    run_all()
    result.refresh()
    assert (result.status, result.attempts) == ("FAILED", 1)
    assert result.enqueued_at <= result.started_at == result.last_attempted_at <= result.finished_at
    assert result.errors[0].exception_class.__name__ == "ResultError"
    assert f"{path('give_what')} has run, and {said}" in Attempt.objects.get().message
    assert not Effect.objects.exists()


def test_a_task_that_raises_is_tried_again_and_its_errors_are_kept() -> None:
    result = tasks.fail.enqueue("Where is it?")
    run_deliveries()
    result.refresh()
    assert result.status in ("READY", "FAILED")
    run_all()
    result.refresh()
    assert (result.status, result.attempts, len(result.worker_ids)) == ("FAILED", 2, 2)
    assert [one.exception_class for one in result.errors] == [LookupError, LookupError]
    assert result.errors[0].traceback.rstrip().endswith("LookupError: Where is it?")
    assert result.started_at < result.last_attempted_at <= result.finished_at
    with pytest.raises(ValueError, match="Task failed"):
        assert result.return_value


def test_a_cancelled_task_counts_as_failed() -> None:
    result = tasks.add.enqueue(1)
    ledger.cancel([Delivery.objects.get().pk])
    result.refresh()
    assert (result.status, result.is_finished, result.errors) == ("FAILED", True, [])


def test_a_lost_attempt_is_an_error_without_a_class_of_its_own() -> None:
    result = tasks.fail.enqueue("lost")
    ledger.claim(conf.queue, owner="somebody", limit=1, lease=30)
    result.refresh()
    assert (result.status, result.worker_ids) == ("RUNNING", ["somebody"])
    ledger.recover_lost(conf.queue, is_dead=lambda owner: True)
    result.refresh()
    assert (result.status, result.worker_ids) == ("READY", ["somebody"])
    (error,) = result.errors
    assert error.exception_class is SignalsAppError
    assert error.traceback == Attempt.objects.get().message


def test_a_task_whose_code_is_gone_is_unroutable_and_its_result_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    result = tasks.add.enqueue(1)
    known = registry.get(path("add"))
    registry.forget(path("add"))
    monkeypatch.delattr(tasks, "add")
    try:
        run_deliveries()
        assert Delivery.objects.get().unroutable
        with pytest.raises(ImproperlyConfigured, match=r"tests\.testapp\.tasks\.add, of the result .* is no task"):
            result.refresh()
    finally:
        registry.add(known)  # type: ignore[arg-type]


# The context, the options, the signals


def test_a_task_that_takes_context_knows_its_attempt() -> None:
    results = [tasks.tell.enqueue(), tasks.tell.enqueue(fails_at=1)]
    run_all()
    told = [tasks.tell.get_result(result.id).return_value for result in results]
    first = {"id": results[0].id, "status": "RUNNING", "attempt": 1, "kwargs": {}, "errors": []}
    second = {"id": results[1].id, "attempt": 2, "kwargs": {"fails_at": 1}, "errors": ["builtins.LookupError"]}
    assert told == [first, first | second]


def test_options_of_receivers_hold_for_tasks() -> None:
    result = tasks.fail_after_effect.enqueue()
    delivery = Delivery.objects.get()
    run_deliveries()
    assert delivery.max_attempts == 1
    assert not Effect.objects.exists()
    assert tasks.fail_after_effect.get_result(result.id).status == "FAILED"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"queue": "mail"}, r"takes no queue; write @task\(queue_name=...\)"),
        ({"priority": 1}, r"takes no priority; write @task\(priority=...\)"),
        ({"delay": 1}, r"takes no delay; write using\(run_after=...\)"),
        ({"drop": ("one",)}, "takes no drop, which is for the arguments of signals"),
        ({"timeout": 0}, "timeout=0 is not seconds"),
        ({"patience": 1}, "Unknown option 'patience'"),
    ],
)
def test_options_that_a_task_cannot_have_are_refused(options: Any, said: str) -> None:
    with pytest.raises(ReceiverError, match=said):
        task_options(**options)


def test_decorators_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ReceiverError, match=r"Write @task above @task_options\(...\) at tests\.testapp\.tasks\.add"):
        task_options(timeout=1)(tasks.add)


def test_django_is_told_of_each_task_once_at_each_step() -> None:
    told: list[tuple[str, Any]] = []

    def hear(name: str) -> Callable[..., None]:
        def note(task_result: Any, sender: type, **kwargs: Any) -> None:
            assert sender is type(django.task_backends["default"])
            told.append((name, task_result))

        return note

    hearing = [hear("enqueued"), hear("started"), hear("finished")]
    signals = (django.task_enqueued, django.task_started, django.task_finished)
    with listening(signals[0], hearing[0]), listening(signals[1], hearing[1]), listening(signals[2], hearing[2]):
        added, failed = tasks.add.enqueue(1), tasks.fail.enqueue("no")
        run_all()
    finished = next(one for name, one in told if (name, one.id) == ("finished", added.id))
    assert (finished.return_value, finished.attempts) == (3, 1)
    of = {
        result.id: [(name, one.status, len(one.errors)) for name, one in told if one.id == result.id]
        for result in (added, failed)
    }
    assert of[added.id] == [("enqueued", "READY", 0), ("started", "RUNNING", 0), ("finished", "SUCCESSFUL", 0)]
    assert of[failed.id] == [
        ("enqueued", "READY", 0),
        ("started", "RUNNING", 0),
        ("started", "RUNNING", 1),
        ("finished", "FAILED", 2),
    ]


def test_a_task_of_another_backend_can_be_sent_here() -> None:
    assert path("of_another_backend") not in [one.key for one in registry.all()]
    try:
        result = tasks.of_another_backend.using(backend="default").enqueue()
        registry.forget(path("of_another_backend"))  # as in a worker, where nobody sent it
        run_deliveries()
        assert tasks.of_another_backend.using(backend="default").get_result(result.id).return_value == "ran"
    finally:
        registry.forget(path("of_another_backend"))


@override_settings(SIGNALS_APP={"IMMEDIATE": True})
def test_immediate_runs_tasks_in_the_senders_process() -> None:
    result = tasks.plus.using(run_after=timezone.now() + timedelta(days=1), queue_name="elsewhere").enqueue(5)
    assert (result.status, result.return_value) == ("SUCCESSFUL", 6)
    assert not Delivery.objects.exists()


# What a project sees of it


OURS = '{"BACKEND": "signals_app.tasks.DeliveryBackend"}'
TASKS = f"""
DEBUG = True
TASKS = {{"default": {OURS}}}
INSTALLED_APPS += ["shop", "django.contrib.contenttypes"]
if __import__("django").VERSION < (6,):
    INSTALLED_APPS += ["django_tasks"]
"""
MAIL = """
try:
    from django.tasks import task
except ImportError:
    from django_tasks import task

@task
def send(to): print("sent to", to)
"""
WORK = "from signals_app.testing import run_deliveries; run_deliveries()"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with a task in a module that nothing imports by itself, and one in ``tasks``."""
    made = Project(tmp_path, TASKS)
    made.write("shop/mail.py", MAIL)
    made.write("shop/tasks.py", MAIL)
    made.manage("migrate")
    return made


@pytest.mark.database("sqlite")
def test_a_worker_imports_the_module_of_a_task(project: Project) -> None:
    project.shell("from shop import mail; mail.send.enqueue('Ada')")
    known = "from signals_app.dispatcher import registry; print(*[one.key for one in registry.all()])"
    assert {"shop.mail.send", "shop.tasks.send"} & {*project.shell(known).split()} == {"shop.tasks.send"}
    assert project.shell(WORK).strip() == "sent to Ada"


@pytest.mark.database("sqlite")
def test_a_worker_imports_no_module_that_belongs_to_no_app(project: Project) -> None:
    project.write("foreign/__init__.py", "print('imported')")
    project.shell("from shop import mail; mail.send.enqueue('Ada')")
    forge = "from signals_app.models import Delivery; Delivery.objects.update(receiver='foreign.send')"
    project.shell(forge)
    assert "imported" not in project.shell(WORK)
    assert "unroutable" in project.manage("deliveries list")


@pytest.mark.database("sqlite")
def test_a_task_may_stand_in_a_module_of_models(project: Project) -> None:
    project.write("shop/models.py", MAIL)
    assert "no issues" in project.manage("check")
    project.shell("from shop import models; models.send.enqueue('Ada')")
    assert project.shell(WORK).strip() == "sent to Ada"


@pytest.mark.database("sqlite")
def test_without_the_backend_nothing_of_it_is_imported(tmp_path: Path) -> None:
    project = Project(tmp_path, "INSTALLED_APPS += ['shop']")
    project.write("shop/tasks.py", "raise SystemExit('imported')")
    assert project.shell("import sys; print('signals_app.tasks' in sys.modules)").strip() == "False"


@pytest.mark.database("sqlite")
def test_where_django_has_no_tasks_the_message_says_what_to_install(tmp_path: Path) -> None:
    hidden = "import sys; sys.modules |= dict.fromkeys(['django.tasks', 'django_tasks'])"
    said = Project(tmp_path, f"TASKS = {{'default': {OURS}}}\n{hidden}").manage("check")
    assert "On Django 5.2 install signals_app[tasks], write INSTALLED_APPS" in said


@pytest.mark.database("sqlite")
def test_settings_of_the_backend_are_checked() -> None:
    ours = {"BACKEND": "signals_app.tasks.DeliveryBackend"}
    with override_settings(TASKS={"default": {**ours, "OPTIONS": {"timeout": 5}}}):
        assert_said(django.task_backends["default"].check(), "E025", "TASKS['default']['OPTIONS'] is not empty")
    settings = {"TASKS": {"default": {**ours, "QUEUES": ["default", "mail"]}}, "Q_CLUSTER": {"name": "main"}}
    assert_mended(lambda: django.task_backends["default"].check(), settings, "W010", "allows the queue 'mail'")


def test_the_map_shows_tasks_as_receivers() -> None:
    tasks.add.enqueue(1)
    found = signals_map()
    (rows,) = [one for one in found.signals if one.name == "signals_app.tasks.task_wanted"]
    (row,) = [row for row in rows.receivers if row.receiver == path("add")]
    assert (row.kind, row.counts.waiting, row.marks) == ("queued", 1, ())  # type: ignore[union-attr]
    assert row.place is not None
    assert row.place.path == "tests/testapp/tasks.py"
    assert not [one for one in (*found.unconnected, *found.unexplained) if one.receiver.startswith(path(""))]


def test_pages_and_terminal_show_the_result_of_a_task(admin_client: Client) -> None:
    result = tasks.give_back.enqueue({"password": "sesame", "total": 5})
    run_deliveries()
    (delivery,) = Delivery.objects.filter(emission=result.id)
    page = admin_client.get(reverse("admin:signals_app_delivery_change", args=[delivery.pk])).content.decode()
    shown = page.partition('id="delivery-result"')[2].partition("</section>")[0]
    assert "&quot;total&quot;: 5" in shown
    call_command("deliveries", "show", str(delivery.pk), "--json", stdout=(told := StringIO()))
    assert json.loads(told.getvalue())["result"]["total"] == 5
    call_command("deliveries", "show", str(delivery.pk), stdout=(told := StringIO()))
    assert "Result: {\n" in told.getvalue()
    assert "sesame" not in page + told.getvalue()
