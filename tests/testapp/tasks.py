"""Django's own tasks of every temper, on Django 5.2 those of the backport."""

from __future__ import annotations

import dataclasses
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from django.db import transaction

from signals_app.backoff import fixed
from signals_app.exceptions import PermanentFailure
from signals_app.tasks import task_options
from tests.testapp.receivers import leave_effect, leave_effect_async

if TYPE_CHECKING or find_spec("django.tasks"):
    from django.tasks import TaskContext
    from django.tasks import task as task
else:
    from django_tasks import TaskContext, task


@task
def add(one: int, two: int = 2) -> int:
    leave_effect("add")
    return one + two


@task
async def add_async(one: int, two: int = 2) -> int:
    await leave_effect_async("add_async")
    return one + two


@task(priority=7, queue_name="elsewhere")
def elsewhere() -> None: ...


@task
def give_back(value: Any) -> Any:
    leave_effect("give_back")
    return value


@task
@task_options(atomic=True)
def give_what(name: str) -> Any:
    """Return what JSON has not, or too much of what it has."""
    leave_effect("give_what")
    circle: list[Any] = []
    circle.append(circle)
    return {"a set": {1}, "much": "x" * 100_000, "a circle": circle}[name]


@task
@task_options(max_attempts=2, backoff=fixed(0.01))
def fail(message: str) -> None:
    leave_effect("fail")
    raise LookupError(message)


@task
def give_up() -> None:
    raise PermanentFailure("No use.")


@task(takes_context=True)
@task_options(max_attempts=2, backoff=fixed(0.01))
def tell(context: TaskContext[Any, Any], fails_at: int = 0) -> dict[str, Any]:
    """Return what the context says; fail in one attempt."""
    if context.attempt == fails_at:
        raise LookupError("told to fail")
    result = context.task_result
    assert dataclasses.asdict(result) == dataclasses.asdict(tell.get_result(result.id))  # what the record says
    return {
        "id": result.id,
        "status": result.status,
        "attempt": context.attempt,
        "kwargs": result.kwargs,
        "errors": [one.exception_class_path for one in result.errors],
    }


@task
@task_options(atomic=True, max_attempts=1)
def fail_after_effect() -> None:
    assert transaction.get_connection().in_atomic_block
    leave_effect("rolled back")
    raise LookupError("after the effect")


@task(backend="immediate")
def of_another_backend() -> str:
    return "ran"


@task
def plus(one: int) -> int:
    return one + 1
