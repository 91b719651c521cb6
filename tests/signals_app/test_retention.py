"""What is kept of each state."""

from signals_app.conf import DEFAULT, Keep, limits


def test_a_state_that_is_left_out_has_its_default_and_none_is_for_ever() -> None:
    assert limits({}) == DEFAULT
    assert limits({"FAILED": None, "CANCELLED": Keep(number=5)}) == {
        "SUCCESSFUL": DEFAULT["SUCCESSFUL"],
        "CANCELLED": Keep(number=5),
    }
    assert limits({"SUCCESSFUL": None, "FAILED": Keep(), "CANCELLED": None}) == {}
    assert limits(None) == {}
