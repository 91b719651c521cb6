"""A payload, and a trace, as people read them."""

import pytest

from signals_app.console.formatting import readable_payload, trace_id


@pytest.mark.parametrize(
    ("payload", "shown"),
    [
        ('{"z":1,"a":["Jürgen",1e22]}', '{\n  "z": 1,\n  "a": [\n    "Jürgen",\n    1e+22\n  ]\n}'),
        ("{broken", "{broken"),
        ("9" * 5_000, "9" * 5_000),
        ('"\\ud800"', '"\\ud800"'),  # half a surrogate pair, which no page can carry
        ('{"password": "hunter2"}', '{\n  "password": "********"\n}'),
        ('{"password": "hunter2"', '{"password": ********'),
        ("[" * 100_000, "[" * 100_000),
    ],
    ids=["indented, in its order", "no JSON", "long number", "surrogate", "masked", "masked, no JSON", "deep"],
)
def test_a_payload_as_it_is_read(payload: str, shown: str) -> None:
    assert readable_payload(payload) == shown


def test_a_payload_nested_too_deep_to_be_indented_is_shown_all_the_same() -> None:
    assert readable_payload("[" * 900 + "]" * 900).startswith("[")


@pytest.mark.parametrize(
    ("traceparent", "trace"),
    [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "4bf92f3577b34da6a3ce929d0e0e4736"),
        ("", ""),
        ("00-<script>-00f067aa0ba902b7-01", ""),
    ],
)
def test_a_trace_is_told_by_its_id(traceparent: str, trace: str) -> None:
    assert trace_id(traceparent) == trace
