"""The start page: what this is, and a guided path of three steps that shows which of them its visitor has done.

The session keeps which orders, run and trace are this visitor's; whether a step is done is read from the database.
"""

from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from sigdemo.lab.facts import facts_of
from sigdemo.lab.models import LabRun
from sigdemo.lab.page import crash_facts_of
from sigdemo.lab.verdict import verdict
from sigdemo.shop.models import Order, WarehouseOutage
from sigdemo.shop.tracking import Track, tracking_of

REFUSALS = 2  # that the path plans, so that the order is tried again twice


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """How far the visitor is with a step; ``link`` leads to what there is to see."""

    done: bool = False
    words: str = ""
    link: str = ""


@never_cache
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Tell what the site is, and how far this visitor is on the guided path."""
    context = {
        "debug": settings.DEBUG,
        "may_operate": settings.DEBUG or getattr(request.user, "is_staff", False),
        "refusals": REFUSALS,
        "failures_left": WarehouseOutage.left(),
        "order_step": _order_step(request),
        "trace_step": _trace_step(request),
        "lab_step": _lab_step(request),
    }
    return render(request, "home.html", context)


@never_cache
@require_safe
def trace(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Lead to an order's trace in the admin, by its login if need be, and remember that the visitor was led there."""
    order = get_object_or_404(Order, public_id=public_id)
    if order.emission is None:
        raise Http404("This order handed off no work.")
    if not request.user.has_perm("signals_app.view_delivery"):
        return redirect(f"{reverse('admin:login')}?next={request.path}")
    request.session["traces"] = [str(public_id)]
    return redirect("admin:signals_app_emission", order.emission)


def _order_step(request: HttpRequest) -> Step:
    """Look for the visitor's latest order of which a receiver failed and was tried again."""
    orders = list(Order.objects.filter(public_id__in=request.session.get("orders", [])))  # newest first
    for order in orders:
        if failed := [track for track in tracking_of(order).tracks if track.failed_attempts]:
            return Step(done=True, words=_retried(order, failed[0]), link=order.get_absolute_url())
    if not orders:
        return Step()
    words = f"You have placed order {orders[0].number}, and nothing has failed so far. Make the warehouse fail first."
    return Step(words=words, link=orders[0].get_absolute_url())


def _retried(order: Order, track: Track) -> str:
    times = len(track.failed_attempts)
    often = {1: "once", 2: "twice"}.get(times, f"{times} times")
    failed = f"Order {order.number}: {track.title.lower()} failed {often}"
    if not track.final:
        return f"{failed} and is being tried again."
    return f"{failed} and then succeeded." if track.state == "SUCCESSFUL" else f"{failed} and was given up."


def _trace_step(request: HttpRequest) -> Step:
    seen = Order.objects.filter(public_id__in=request.session.get("traces", [])).first()
    if seen:
        return Step(done=True, words=f"You have opened the trace of order {seen.number}.", link=_trace_of(seen))
    newest = Order.objects.filter(public_id__in=request.session.get("orders", [])).exclude(emission=None).first()
    return Step(link=_trace_of(newest) if newest else "")


def _trace_of(order: Order) -> str:
    return reverse("trace", args=[order.public_id])


def _lab_step(request: HttpRequest) -> Step:
    run = LabRun.objects.filter(public_id__in=request.session.get("runs", [])).first()
    if run is None:
        return Step()
    facts = facts_of(run)
    words = verdict(facts, crash_facts_of(run))
    return Step(done=facts.is_over, words=words or "Your run has not begun.", link=run.get_absolute_url())
