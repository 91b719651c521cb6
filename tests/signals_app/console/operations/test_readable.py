"""A payload, and a trace, as people read them."""

import pytest

from signals_app.console.formatting import readable_payload, trace_id


def test_a_payload_is_indented_and_keeps_its_order() -> None:
    assert readable_payload('{"z":1,"a":["Jürgen",1e22]}') == '{\n  "z": 1,\n  "a": [\n    "Jürgen",\n    1e+22\n  ]\n}'


def test_what_is_no_json_is_shown_as_it_is() -> None:
    assert readable_payload("{broken") == "{broken"


def test_a_number_too_long_to_read_is_shown_as_it_is() -> None:
    assert readable_payload("9" * 5_000) == "9" * 5_000


def test_half_a_surrogate_pair_can_be_sent_to_a_browser() -> None:
    assert readable_payload('"\\ud800"') == '"\\ud800"'


def test_secrets_are_masked() -> None:
    assert readable_payload('{"password": "hunter2"}') == '{\n  "password": "********"\n}'
    assert readable_payload('{"password": "hunter2"') == '{"password": ********'


def test_a_payload_nested_too_deep_to_be_indented_is_shown_as_it_is() -> None:
    assert readable_payload("[" * 100_000) == "[" * 100_000
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
