"""The pages for load balancers, orchestrators and monitoring systems."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from signals_app.monitoring.health import Health, look

MOST_QUEUES = MOST_PROBLEMS = 50  # shown to anybody who asks


def for_machines(view: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Make a view read-only, public, never cached, and run outside of a transaction."""
    return require_safe(never_cache(login_not_required(transaction.non_atomic_requests(view))))


@for_machines
def health(request: HttpRequest) -> HttpResponse:
    """Answer 200 when work flows and 503 when not, with the findings; they are public and name no hosts."""
    return _answer(look())


@for_machines
def ready(request: HttpRequest) -> HttpResponse:
    """Answer 200 when the database answers, so signals can be sent, and 503 when not."""
    return _answer(look(at_queues=False))


@for_machines
def live(request: HttpRequest) -> HttpResponse:
    """Answer 200: this process runs and serves requests."""
    return JsonResponse({"status": "ok"})


def _answer(found: Health) -> JsonResponse:
    problems = found.problems()
    shown = sorted(found.queues, key=lambda queue: (not queue.problems(), queue.name))[:MOST_QUEUES]
    more = len(problems) - MOST_PROBLEMS
    told: dict[str, Any] = {
        "status": "failing" if problems else "ok",
        "problems": problems[:MOST_PROBLEMS] + ([f"There are {more} more problems."] if more > 0 else []),
        "database": found.database,
        "queues": {
            queue.name: {"clusters": queue.clusters, "oldest_wait": round(queue.oldest_wait, 3)} for queue in shown
        },
    }
    answer = JsonResponse(told, status=503 if problems else 200)
    answer._has_been_logged = True  # type: ignore[attr-defined]  # Django would log, and mail, an error at each probe
    return answer
