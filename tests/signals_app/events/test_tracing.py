"""The trace of a request goes on in the worker."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from opentelemetry import trace as otel
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from signals_app.conf import conf
from signals_app.dispatcher import QueuedReceiver
from signals_app.models import Delivery, State
from signals_app.worker import loop
from tests.cluster import ROOT, Cluster, wait_for_end
from tests.signals_app.listeners import Doing
from tests.testapp import receivers
from tests.testapp.receivers import enqueue

pytestmark = pytest.mark.django_db


class Tracing:
    """A tracer for senders, and the spans that were made of their work."""

    def __init__(self, provider: TracerProvider) -> None:
        self._exporter = InMemorySpanExporter()
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = provider.get_tracer("a test")

    def attempts(self) -> list[ReadableSpan]:
        """Drain the queue, and return the spans of attempts in the order of their ends."""
        loop.drain(conf.queue)
        return [span for span in self._exporter.get_finished_spans() if span.name.startswith("process ")]


@pytest.fixture
def tracing(monkeypatch: pytest.MonkeyPatch) -> Tracing:
    provider = TracerProvider()
    monkeypatch.setattr(otel, "_TRACER_PROVIDER", provider)  # a process has but one for its life otherwise
    return Tracing(provider)


def ids(span: otel.Span) -> tuple[int, int]:
    context = span.get_span_context()
    return context.trace_id, context.span_id


def parent(span: ReadableSpan) -> tuple[int, int] | None:
    return (span.parent.trace_id, span.parent.span_id) if span.parent else None


def attributes(span: ReadableSpan, *names: str) -> tuple[object, ...]:
    assert span.attributes is not None
    return tuple(span.attributes.get(name) for name in names)


def test_an_attempt_is_a_span_below_the_one_that_was_active_at_the_send(tracing: Tracing) -> None:
    assert enqueue(receivers.nothing).trace == ""
    Delivery.objects.all().delete()
    with tracing.tracer.start_as_current_span("checkout") as sender:
        delivery = enqueue(receivers.nothing)
    trace_id, span_id = ids(sender)
    assert delivery.trace == f"00-{trace_id:032x}-{span_id:016x}-{sender.get_span_context().trace_flags:02x}"
    (span,) = tracing.attempts()
    assert span.context is not None
    assert (span.context.trace_id, parent(span)) == (trace_id, ids(sender))
    assert (span.name, span.kind) == (f"process {receivers.nothing.key}", otel.SpanKind.CONSUMER)
    assert span.status.is_unset
    names = ("messaging.message.id", "messaging.destination.name", "signals_app.attempt")
    assert attributes(span, *names) == (str(delivery.id), conf.queue, 1)
    assert span.parent is not None
    assert span.parent.is_remote


def test_what_a_receiver_does_and_sends_belongs_to_its_attempt(
    tracing: Tracing, monkeypatch: pytest.MonkeyPatch
) -> None:
    active: list[tuple[int, int]] = []

    async def sends_on(**arguments: object) -> None:
        active.append(ids(otel.get_current_span()))

    def sends(**arguments: object) -> None:
        active.append(ids(otel.get_current_span()))
        enqueue(receivers.async_work)

    monkeypatch.setattr(receivers.nothing, "func", sends)
    monkeypatch.setattr(receivers.async_work, "func", sends_on)
    enqueue(receivers.nothing)
    first, second = tracing.attempts()
    assert [(span.context.trace_id, span.context.span_id) for span in (first, second) if span.context] == active
    assert parent(second) == active[0]


def test_every_attempt_is_a_span_of_its_own_and_says_how_it_ended(tracing: Tracing) -> None:
    with tracing.tracer.start_as_current_span("checkout") as sender:
        delivery = enqueue(receivers.fails)
    (first,) = tracing.attempts()
    Delivery.objects.filter(pk=delivery.pk).update(due_at=delivery.due_at)
    _, second = tracing.attempts()
    for number, span in ((1, first), (2, second)):
        assert parent(span) == ids(sender)
        names = ("signals_app.attempt", "signals_app.outcome", "error.type")
        assert attributes(span, *names) == (number, "ERROR", "builtins.ValueError")
        assert (span.status.status_code, span.status.description) == (otel.StatusCode.ERROR, "builtins.ValueError")
        (event,) = span.events
        assert event.attributes is not None
        assert event.attributes["exception.message"] == f"it went wrong at attempt {number}"
        assert "in fails\n" in str(event.attributes["exception.stacktrace"])


@pytest.mark.parametrize(
    ("receiver", "outcome", "is_error"),
    [(receivers.sleeps, "TIMEOUT", True), (receivers.asks_for_later, "RETRY_AFTER", False)],
)
def test_a_timeout_is_an_error_of_its_span_and_a_retry_that_was_asked_for_is_none(
    tracing: Tracing, receiver: QueuedReceiver, outcome: str, is_error: bool
) -> None:
    enqueue(receiver)
    (span,) = tracing.attempts()
    assert attributes(span, "signals_app.outcome") == (outcome,)
    assert span.status.status_code == (otel.StatusCode.ERROR if is_error else otel.StatusCode.UNSET)


def test_no_secret_of_an_error_is_exported(tracing: Tracing, doing: Doing) -> None:
    def fails(**arguments: object) -> None:
        raise ValueError("password=hunter2")

    doing(receivers.nothing, fails)
    (span,) = tracing.attempts()
    assert "hunter2" not in span.to_json()
    assert "password=********" in span.to_json()


def test_what_the_sender_does_not_sample_is_not_sampled_in_the_worker(tracing: Tracing) -> None:
    unsampled = TracerProvider(sampler=ALWAYS_OFF).get_tracer("a test")
    with unsampled.start_as_current_span("checkout"):
        delivery = enqueue(receivers.nothing)
    assert delivery.trace
    assert tracing.attempts() == []


@pytest.mark.parametrize("trace", ["", "nonsense", "00-0-0-01", "ff-" + "1" * 32 + "-" + "2" * 16 + "-01"])
def test_a_trace_that_is_none_begins_a_new_one(tracing: Tracing, trace: str) -> None:
    delivery = enqueue(receivers.nothing)
    Delivery.objects.filter(pk=delivery.pk).update(trace=trace)
    (span,) = tracing.attempts()
    assert parent(span) is None
    delivery.refresh_from_db()
    assert delivery.state == State.SUCCESSFUL


def test_without_the_extra_work_is_done_untraced() -> None:
    code = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "import django; django.setup()\n"
        "from signals_app import events\n"
        "events.mark_span(None); events.export()\n"
        "with events.attempt_span(None): print(repr(events.traceparent()))\n"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    ended = subprocess.run([sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True)
    assert ended.stdout.split() == ["''"], ended.stderr


@pytest.mark.django_db(transaction=True)
def test_a_worker_of_a_cluster_exports_the_span_before_it_ends(tmp_path: Path) -> None:
    file = tmp_path / "spans"
    tracer = TracerProvider().get_tracer("a test")
    with Cluster(tmp_path / "log", TEST_TRACES=str(file)):
        with tracer.start_as_current_span("checkout") as sender:
            delivery = enqueue(receivers.nothing)
        wait_for_end([delivery])
    trace_id, span_id = ids(sender)
    (span,) = [json.loads(line) for line in file.read_text().splitlines()]
    assert span["name"] == f"process {receivers.nothing.key}"
    assert span["context"]["trace_id"] == f"0x{trace_id:032x}"
    assert span["parent_id"] == f"0x{span_id:016x}"
