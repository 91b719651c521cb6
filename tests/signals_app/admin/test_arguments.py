"""A payload as people read it."""

from signals_app.admin.arguments import readable


def test_a_payload_is_indented_and_keeps_its_order() -> None:
    assert readable('{"z":1,"a":["Jürgen",1e22]}') == '{\n  "z": 1,\n  "a": [\n    "Jürgen",\n    1e+22\n  ]\n}'


def test_what_is_no_json_is_shown_as_it_is() -> None:
    assert readable("{broken") == "{broken"


def test_a_number_too_long_to_read_is_shown_as_it_is() -> None:
    assert readable("9" * 5_000) == "9" * 5_000


def test_half_a_surrogate_pair_can_be_sent_to_a_browser() -> None:
    assert readable('"\\ud800"') == '"\\ud800"'
