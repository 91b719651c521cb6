"""Django's own tasks as deliveries: ``TASKS = {"default": {"BACKEND": "signals_app.tasks.DeliveryBackend"}}``."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import replace
from datetime import datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, Unpack
from uuid import UUID

from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import ImproperlyConfigured
from django.dispatch import Signal, receiver
from django.utils import timezone

from signals_app import ledger, payloads
from signals_app.conf import VARIABLE, clusters, conf, line_of_cluster
from signals_app.dispatcher import QueuedReceiver, current_delivery, registry
from signals_app.dispatcher.current import Having
from signals_app.dispatcher.options import OptionArguments, ReceiverOptions
from signals_app.exceptions import ReceiverError, ResultError
from signals_app.ledger import ClaimedDelivery
from signals_app.models import Attempt, Delivery, Outcome, State
from signals_app.payloads import names
from signals_app.payloads.errors import Malformed
from signals_app.signals import delivery_failed, delivery_started, delivery_succeeded

if TYPE_CHECKING or find_spec("django.tasks"):
    from django.tasks import DEFAULT_TASK_QUEUE_NAME, TaskContext, task_backends
    from django.tasks.backends.base import BaseTaskBackend
    from django.tasks.backends.immediate import ImmediateBackend
    from django.tasks.base import Task, TaskError, TaskResult, TaskResultStatus
    from django.tasks.exceptions import InvalidTask, TaskResultDoesNotExist
    from django.tasks.signals import task_enqueued, task_finished, task_started
    from django.utils.json import normalize_json
elif find_spec("django_tasks"):  # on Django 5.2
    from django_tasks import DEFAULT_TASK_QUEUE_NAME, TaskContext, task_backends
    from django_tasks.backends.base import BaseTaskBackend
    from django_tasks.backends.immediate import ImmediateBackend
    from django_tasks.base import Task, TaskError, TaskResult, TaskResultStatus
    from django_tasks.exceptions import InvalidTaskError as InvalidTask
    from django_tasks.exceptions import TaskResultDoesNotExist
    from django_tasks.signals import task_enqueued, task_finished, task_started
    from django_tasks.utils import normalize_json
else:
    raise ImproperlyConfigured(
        "signals_app.tasks needs django.tasks, which came with Django 6.0. On Django 5.2 install signals_app[tasks], "
        'write INSTALLED_APPS += ["django_tasks"], and import from django_tasks.'
    )

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])

task_wanted = Signal()  # what deliveries of tasks name as their signal; args: list, kwargs: dict
_NAME = f"{__name__}.task_wanted"

_OPTIONS = "_signals_app_options"  # the attribute of a function
_BY_DJANGO = {"queue": "@task(queue_name=...)", "priority": "@task(priority=...)", "delay": "using(run_after=...)"}
_BY_SIGNALS = ("key", "when", "drop", "snapshot", "missing")


def task_options(**options: Unpack[OptionArguments]) -> Callable[[F], F]:
    """Give a task options of queued receivers, such as ``atomic`` and ``timeout``; write it below ``@task``.

    Other backends take no notice of them. Raises ReceiverError for an option that tasks have in another way or not at
    all, and for a value that an option does not take.
    """
    for name in options:
        if name in _BY_DJANGO:
            raise ReceiverError(f"task_options takes no {name}; write {_BY_DJANGO[name]}.")
        if name in _BY_SIGNALS:
            raise ReceiverError(f"task_options takes no {name}, which is for the arguments of signals.")
    ReceiverOptions(**options)

    def give(function: F) -> F:
        if isinstance(function, Task):
            raise ReceiverError(f"Write @task above @task_options(...) at {function.module_path}.")
        setattr(function, _OPTIONS, options)
        return function

    return give


# the options of the task that is enqueued at this moment, which using() may have changed
_enqueued: ContextVar[ReceiverOptions | None] = ContextVar("signals_app_task", default=None)


class TaskReceiver(QueuedReceiver):
    """The receiver that a task is: its key is the path of the task's function."""

    def __init__(self, task: Task[..., Any]) -> None:
        """Enter the task in the registry. Raises ReceiverError where another function has its path."""
        self.task = task
        self.key = task.module_path
        self.func = self._called()
        functools.update_wrapper(self, task.func, updated=())
        self.__signature__ = inspect.signature(self.func, follow_wrapped=False)  # which connect() looks at
        self._signature = inspect.signature(task.func)
        self._required = frozenset({"args", "kwargs"})
        self._declared = self.options_of(task)
        registry.add(self)
        task_wanted.connect(self)  # for the map of signals: it is called by nobody but enqueue()

    @property
    def options(self) -> ReceiverOptions:  # type: ignore[override]
        return _enqueued.get() or self._declared

    @staticmethod
    def options_of(task: Task[..., Any]) -> ReceiverOptions:
        """Return what a task asks for, with the queue in the words of the clusters."""
        options: dict[str, Any] = {**getattr(task.func, _OPTIONS, {}), "priority": task.priority}
        if task.queue_name != DEFAULT_TASK_QUEUE_NAME:
            options["queue"] = task.queue_name
        if task.run_after is not None:
            options["delay"] = max(0.0, (task.run_after - datetime.now(task.run_after.tzinfo)).total_seconds())
        return ReceiverOptions(**options)

    def bind(self, args: list[Any], kwargs: dict[str, Any]) -> None:
        """Raise TypeError where the task's function cannot be called with these arguments."""
        try:
            self._signature.bind(*([None] if self.task.takes_context else []), *args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{self.key}() {error}") from None

    def _called(self) -> Callable[..., Any]:
        """Return what a worker calls: it keeps what the task returns, for the record of the success."""

        @functools.wraps(self.task.func, updated=())
        def call(*, args: list[Any], kwargs: dict[str, Any], **others: Any) -> Awaitable[None] | None:
            if self.task.takes_context:
                known = _at_work.get() or _backend_of(self.task).get_result(str(current_delivery().emission))
                args = [TaskContext(task_result=known), *args]
            returned = self.task.func(*args, **kwargs)
            if inspect.isawaitable(returned):
                return self._keep_later(returned)
            self._keep(returned)
            return None

        return call

    async def _keep_later(self, returned: Awaitable[Any]) -> None:
        self._keep(await returned)

    def _keep(self, value: Any) -> None:
        if value is None:
            return
        try:
            text = json.dumps(value := normalize_json(value))
        except (TypeError, ValueError, RecursionError) as error:
            raise ResultError(
                f"{self.key} has run, and returned what is no JSON: {error}. "
                "Return None, bool, int, float, str, or lists and dicts of them."
            ) from error
        if len(text) > conf.max_payload:
            raise ResultError(
                f'{self.key} has run, and returned {len(text):,} bytes of JSON; SIGNALS_APP["MAX_PAYLOAD"] allows '
                f"{conf.max_payload:,}. Store the data and return its primary key."
            )
        current_delivery().result = text
        if result := _at_work.get():
            object.__setattr__(result, "_return_value", value)


class DeliveryBackend(BaseTaskBackend):
    """Writes a delivery for each task, in the transaction that enqueues it; a result's id is the emission's."""

    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    def validate_task(self, task: Task[..., Any]) -> None:
        """Raise InvalidTask as Django does, and ReceiverError where a worker could not find the function."""
        super().validate_task(task)
        known = registry.get(task.module_path)
        if not isinstance(known, TaskReceiver) or known.task.func is not task.func:
            TaskReceiver(task)

    def enqueue(self, task: Task[P, R], args: list[Any], kwargs: dict[str, Any]) -> TaskResult[P, R]:
        """Write the delivery. Raises what ``QueuedReceiver`` does, and TypeError for what is no JSON or does not fit.

        Within ``bulk()`` the result does not know yet when it was enqueued.
        """
        self.validate_task(task)
        if conf.immediate:
            return ImmediateBackend(self.alias, {"QUEUES": []}).enqueue(replace(task, run_after=None), args, kwargs)
        wanted: Any = registry.get(task.module_path)
        arguments: dict[str, Any] = {"args": normalize_json(list(args)), "kwargs": normalize_json(kwargs)}
        wanted.bind(**arguments)
        if task.run_after is not None:
            arguments["run_after"] = task.run_after
        with Having(_enqueued, TaskReceiver.options_of(task)):
            delivery = wanted(signal=task_wanted, sender=wanted.key, **arguments)
        if delivery is None:
            raise InvalidTask(f'SIGNALS_APP["WHEN"] declined {task.module_path}.')
        result = _result(task, arguments["args"], arguments["kwargs"], delivery)
        task_enqueued.send(type(self), task_result=result)
        return result

    def get_result(self, result_id: str) -> TaskResult[..., Any]:
        """Read what became of a task. Raises TaskResultDoesNotExist, also once the delivery is pruned.

        Raises ImproperlyConfigured where the task is not in this process's code.
        """
        try:
            rows = Delivery.objects.using(ledger.connection().alias).filter(signal=_NAME)
            row = rows.get(emission=UUID(str(result_id)))
        except (ValueError, Delivery.DoesNotExist):
            raise TaskResultDoesNotExist(result_id) from None
        known = registry.find(row.receiver)
        if not isinstance(known, TaskReceiver):
            raise ImproperlyConfigured(f"{row.receiver}, of the result {result_id}, is no task of this process.")
        return _result(*self._called(known.task, row.queue, row.priority, row.payload), row)

    def started(self, claimed: ClaimedDelivery, task: Task[..., Any]) -> TaskResult[..., Any]:
        """Return what ``get_result`` would say of a task that has just been claimed."""
        if claimed.attempt > 1:
            return self.get_result(str(claimed.emission))
        enqueued_at, started_at, priority = ledger.sent_and_started(claimed)
        task, args, kwargs = self._called(task, claimed.queue, priority, claimed.payload)
        return TaskResult(
            task=task,
            id=str(claimed.emission),
            status=TaskResultStatus.RUNNING,
            enqueued_at=enqueued_at,
            started_at=started_at,
            finished_at=None,
            last_attempted_at=started_at,
            args=args,
            kwargs=kwargs,
            backend=self.alias,
            errors=[],
            worker_ids=[claimed.owner],
        )

    def _called(
        self, task: Task[..., Any], queue: str, priority: int, payload: str
    ) -> tuple[Task[..., Any], list[Any], dict[str, Any]]:
        """Return a task as it was used, and its arguments. In a queue that is not in ``QUEUES`` an operator put it."""
        arguments: Any = payloads.decode_arguments(payload).arguments
        name = DEFAULT_TASK_QUEUE_NAME if queue == conf.queue else queue
        used = {
            "backend": self.alias,
            "priority": priority,
            "queue_name": name if not self.queues or name in self.queues else task.queue_name,
            "run_after": arguments.get("run_after"),
        }
        is_as_declared = all(getattr(task, field) == value for field, value in used.items())
        return task if is_as_declared else replace(task, **used), arguments["args"], arguments["kwargs"]

    def check(self, **kwargs: Any) -> list[CheckMessage]:
        """Check ``OPTIONS``, of which there are none, and that each of ``QUEUES`` has a cluster."""
        found: list[CheckMessage] = []
        place = f"TASKS[{self.alias!r}]"
        if self.options:
            text = f"{place}['OPTIONS'] is not empty, and signals_app.tasks.DeliveryBackend takes no options."
            hint = "Write them in SIGNALS_APP for all receivers and tasks, or give one task @task_options(...)."
            found.append(Error(text, hint=hint, id="signals_app.E025"))
        served = {DEFAULT_TASK_QUEUE_NAME, *(cluster.name for cluster in clusters())}
        for queue in sorted(self.queues - served):
            text = f"{place}['QUEUES'] allows the queue {queue!r}, which is no cluster of Q_CLUSTER."
            hint = f"Correct the name, or write {line_of_cluster(queue)}, and start that cluster with "
            hint += f"{VARIABLE}={queue} manage.py qcluster."
            found.append(CheckWarning(text, hint=hint, id="signals_app.W010"))
        return found


def _result(task: Task[P, R], args: list[Any], kwargs: dict[str, Any], row: Delivery) -> TaskResult[P, R]:
    """Return what the record says of a task. Attempts that others overtook are not among its errors."""
    holds = row.state in (State.RUNNING, State.SUCCESSFUL)
    failed: list[Attempt] = []
    if row.attempts > holds:
        rows = row.failed_attempts.using(row._state.db).exclude(outcome=Outcome.STALE)
        failed = list(rows.order_by("number", "pk"))
    result = TaskResult(
        task=task,
        id=str(row.emission),
        status=TaskResultStatus.FAILED if row.state == State.CANCELLED else TaskResultStatus(row.state),
        enqueued_at=row.enqueued_at,
        started_at=failed[0].started_at if failed and row.attempts > 1 else row.started_at,
        finished_at=row.finished_at,
        last_attempted_at=row.started_at,
        args=args,
        kwargs=kwargs,
        backend=task.backend,
        errors=[
            TaskError(exception_class_path=_class_path(one), traceback=one.traceback or one.message) for one in failed
        ],
        worker_ids=[one.owner for one in failed] + [row.owner] * holds,
    )
    if row.state == State.SUCCESSFUL and row.result:
        object.__setattr__(result, "_return_value", json.loads(row.result))
    return result


def _class_path(attempt: Attempt) -> str:
    """Return an error's class; of an attempt that raised none, for it was lost or cancelled, the base of ours."""
    is_raised = attempt.outcome not in (Outcome.LOST, Outcome.EXPIRED, Outcome.CANCELLED)
    return attempt.error_class if is_raised else "signals_app.exceptions.SignalsAppError"


def _find(path: str) -> QueuedReceiver | None:
    """Return the receiver of a task, importing its module where that belongs to an installed app; None where it fails.

    A task whose own backend is another one is known here only once it is looked for.
    """
    module, _, name = path.rpartition(".")
    try:
        found = names.namespace(names.find_module(module)).get(name)
    except Malformed:
        return None
    known = registry.get(path)
    return TaskReceiver(found) if known is None and isinstance(found, Task) else known


registry.finder = _find


def _backend_of(task: Task[..., Any]) -> DeliveryBackend:
    """Return the task's own backend, or the first that is one of these."""
    backends = (task_backends[alias] for alias in (task.backend, *task_backends.settings))
    return next(backend for backend in backends if isinstance(backend, DeliveryBackend))


# what is known of the task that runs in this context
_at_work: ContextVar[TaskResult[..., Any] | None] = ContextVar("signals_app_task_result", default=None)


@receiver(delivery_started)
def _tell_started(delivery: ClaimedDelivery, **kwargs: Any) -> None:
    if known := _task_of(delivery):
        backend = _backend_of(known)
        _at_work.set(result := backend.started(delivery, known))
        task_started.send_robust(type(backend), task_result=result)


@receiver([delivery_succeeded, delivery_failed])
def _tell_finished(delivery: ClaimedDelivery, signal: Signal, **kwargs: Any) -> None:
    if known := _task_of(delivery):
        backend, result = _backend_of(known), _at_work.get()
        if result and signal is delivery_succeeded:
            value = result._return_value  # type: ignore[attr-defined]
            result = replace(result, status=TaskResultStatus.SUCCESSFUL, finished_at=timezone.now())
            object.__setattr__(result, "_return_value", value)
        else:
            result = backend.get_result(str(delivery.emission))
        task_finished.send_robust(type(backend), task_result=result)


def _task_of(delivery: ClaimedDelivery) -> Task[..., Any] | None:
    known = registry.find(delivery.receiver) if delivery.signal == _NAME else None
    return known.task if isinstance(known, TaskReceiver) else None
