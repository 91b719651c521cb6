"""The pages of the lab. Each validates, acts and answers; none knows who receives a signal."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.forms import Form
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from sigdemo.lab import crash, limits, page, requests
from sigdemo.lab.clock import Moment
from sigdemo.lab.facts import facts_of
from sigdemo.lab.forms import CrashForm, LabForm, ShowForm
from sigdemo.lab.models import LabLane, LabRun
from sigdemo.lab.pings import read_samples
from sigdemo.throttle.clients import client_of

UNPROCESSABLE = 422  # a form that was understood and refused; the page says what to change
TOO_MANY = 429
CONFLICT = 409
IDLE = "idle"
LATEST = 8

NOT_BY_ADDRESS = "That address only takes what a button of the lab sends to it. Nothing was run."

View = Callable[..., HttpResponse]


def for_the_lab(view: View) -> View:
    """Open a view to everyone in DEBUG, to staff otherwise; nobody caches what it answers."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not (settings.DEBUG or getattr(request.user, "is_staff", False)):
            raise PermissionDenied("Only staff may use the lab: it keeps the site busy. Log in to the admin first.")
        return view(request, *args, **kwargs)

    return never_cache(guarded)


def by_button(view: View) -> View:
    """Take a POST; lead whoever comes by the address alone back to the run, or to the lab, with a sentence."""

    @wraps(view)
    @require_http_methods(["GET", "HEAD", "POST"])
    @for_the_lab
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method == "POST":
            return view(request, *args, **kwargs)
        messages.info(request, NOT_BY_ADDRESS)
        return redirect(get_object_or_404(LabRun, public_id=kwargs["public_id"]) if kwargs else "lab:lab")

    return guarded


@require_http_methods(["GET", "HEAD", "POST"])
@for_the_lab
def lab(request: HttpRequest) -> HttpResponse:
    """Show the lab; a valid POST writes a run and leads to its first lane, or to its page where a script goes on."""
    posted = request.POST if request.method == "POST" else None
    form: ShowForm | LabForm = ShowForm(posted) if posted is None or "show" in posted else LabForm(posted)
    if not form.is_valid():
        return _page(request, form=form, status=UNPROCESSABLE if form.is_bound else 200)
    try:
        new = limits.admit(form.plan(), client=client_of(request))
    except limits.TooMuch as error:
        return _too_much(request, error, form=form)
    request.session["runs"] = [str(new.public_id)]
    if "script" in request.POST:
        return redirect(f"{new.get_absolute_url()}#go")
    return redirect(requests.next_address(new), preserve_request=True)


@by_button
def crash_test(request: HttpRequest) -> HttpResponse:
    """Carry out a crash test, which takes some seconds, and lead to its page."""
    form = CrashForm(request.POST)
    if not form.is_valid():
        return _page(request, form=form, status=UNPROCESSABLE)
    try:
        new = limits.admit(form.plan(), client=client_of(request))
        crash.run(new)
    except limits.TooMuch as error:
        return _too_much(request, error, form=form)
    except crash.CrashTestFailed as error:
        return _page(request, trouble=str(error), run=new, status=503)
    return redirect(requests.verdict_address(new))


@by_button
def run_crash(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Carry out the crash test that ends a run, once, and lead to the run's page, where a script does not go on."""
    found = get_object_or_404(LabRun.objects.select_related("crash_of"), crash_of__public_id=public_id)
    refusal, status = "", CONFLICT
    try:
        if limits.admit_crash(found):
            crash.run(found)
        else:
            refusal = "The crash of this run has been tested already. Start a new run."
    except (limits.TooMuch, crash.CrashTestFailed) as error:
        refusal, status = str(error), TOO_MANY if isinstance(error, limits.TooMuch) else 503
    if "script" in request.POST:
        return HttpResponse(refusal or "done", status=status if refusal else 200)
    if refusal:
        messages.warning(request, refusal)
    return redirect(requests.verdict_address(found.crash_of or found))


@by_button
def run_lane(request: HttpRequest, public_id: UUID, way: str) -> HttpResponse:
    """Run one lane of a run in this very request; each lane is run once."""
    since = Moment.now()
    lane = get_object_or_404(LabLane.objects.select_related("run"), run__public_id=public_id, way=way)
    if refusal := requests.begin_alone(lane, since):
        return HttpResponse(refusal, status=CONFLICT)
    error = requests.send(lane)
    requests.answered(lane, since, error=error)  # before the browser can send the next; measured again as it leaves
    location = "" if "script" in request.POST else requests.next_address(lane.run)
    return requests.MeasuredAnswer(lane, since, error=error, location=location)


@require_safe
@for_the_lab
def run(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Show a run: the permalink."""
    found = get_object_or_404(LabRun, public_id=public_id)
    initial = {name: getattr(found, name) for name in ("kind", "seconds", "fan_out")}
    initial["ways"] = list(found.lanes.values_list("way", flat=True))
    if found.is_crash_test:
        return _page(request, form=CrashForm(initial={"death": found.death}), run=found)
    return _page(request, form=LabForm(initial=initial), run=found)


@require_safe
@for_the_lab
def result(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Show what was measured alone, for the run page's script."""
    found = get_object_or_404(LabRun, public_id=public_id)
    return render(request, "lab/result.html", page.result_of(found))


@require_safe
@for_the_lab
def state(request: HttpRequest, public_id: UUID) -> JsonResponse:
    """Tell how far each lane is and whether a cluster is alive, for the run page's script."""
    facts = facts_of(get_object_or_404(LabRun, public_id=public_id))
    lanes = {lane.way.value: lane.state for lane in facts.lanes}
    return JsonResponse({"lanes": lanes, "over": facts.is_over, "cluster": requests.cluster_is_alive()})


@require_POST
@for_the_lab
def pings(request: HttpRequest, public_id: UUID, stretch: str) -> HttpResponse:
    """Keep the latencies that the visitor's browser measured, idle or during one lane; the first ones count."""
    found = get_object_or_404(LabRun, public_id=public_id)
    try:
        samples = read_samples(request.body)
    except ValidationError as error:
        return HttpResponse(error.message, status=400)
    if stretch == IDLE:
        LabRun.objects.filter(pk=found.pk, idle_pings=[]).update(idle_pings=samples)
    else:
        LabLane.objects.filter(run=found, way=stretch, pings=[]).update(pings=samples)
    return HttpResponse(status=204)


@never_cache
@require_safe
def ping(request: HttpRequest) -> HttpResponse:
    """Answer at once: what another visitor's request is while a run is under way."""
    return HttpResponse("pong", content_type="text/plain")


@require_safe
@for_the_lab
def cluster(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"cluster": requests.cluster_is_alive()})


def _too_much(request: HttpRequest, error: limits.TooMuch, *, form: Form) -> HttpResponse:
    response = _page(request, form=form, trouble=str(error), status=TOO_MANY)
    response["Retry-After"] = str(error.retry_after)
    return response


def _page(
    request: HttpRequest, *, form: Form | None = None, run: LabRun | None = None, trouble: str = "", status: int = 200
) -> HttpResponse:
    """Return the lab's page with the form that was sent, and fresh ones beside it."""
    forms = {"show_form": ShowForm(), "lab_form": LabForm(), "crash_form": CrashForm()}
    if form:
        forms[{ShowForm: "show_form", LabForm: "lab_form", CrashForm: "crash_form"}[type(form)]] = form
    context = {
        "section": "lab",
        "form": form,
        "others_open": isinstance(form, LabForm | CrashForm) and form.is_bound,
        "trouble": trouble,
        "cluster_alive": requests.cluster_is_alive(),
        "latest": LabRun.objects.filter(crash_of=None)[:LATEST],
        **forms,
        **(page.result_of(run) if run else {}),
    }
    return render(request, "lab/lab.html", context, status=status)
