"""Exports spans to the file ``TEST_TRACES``, a line each, as late as can be: when somebody asks for it."""

import os
from pathlib import Path

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter

_exporter = ConsoleSpanExporter(
    out=Path(os.environ["TEST_TRACES"]).open("a"),  # noqa: SIM115 - as long as the process
    formatter=lambda span: f"{span.to_json(indent=None)}\n",
)
_provider = TracerProvider()
_provider.add_span_processor(BatchSpanProcessor(_exporter, schedule_delay_millis=600_000))
trace.set_tracer_provider(_provider)
