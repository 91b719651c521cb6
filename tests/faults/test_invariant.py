"""The invariant finds what is wrong; a check that cannot fail proves nothing."""

from collections import Counter, defaultdict

import pytest

from tests.faults.invariant import Tables, examine

Row = tuple[int, str, str, int]
End = tuple[int, int, str, str]


def violations(
    *deliveries: Row,
    attempts: list[End] | None = None,
    effects: list[tuple[int, int]] | None = None,
    begun: str = "",
    max_attempts: int = 9,
) -> list[str]:
    """Ask about some rows; ``begun`` names attempts as ``1.1 1.2``."""
    journal: defaultdict[int, Counter[int]] = defaultdict(Counter)
    for word in begun.split():
        delivery, number = word.split(".")
        journal[int(delivery)][int(number)] += 1
    rows = [(*row, max_attempts) for row in deliveries]
    tables = Tables(deliveries=rows, attempts=attempts or [], effects=effects or [])
    return examine(tables, journal).violations


def test_what_went_well_is_no_violation() -> None:
    assert not violations(
        (1, "exactly_once.effect", "SUCCESSFUL", 3),
        (2, "exactly_once.effect", "FAILED", 1),
        (3, "exactly_once.effect", "CANCELLED", 0),
        attempts=[
            (1, 1, "LOST", "died"),
            (1, 1, "STALE", "too late"),
            (1, 2, "ERROR", "no"),
            (2, 1, "ERROR", "never"),
        ],
        effects=[(1, 3)],
        begun="1.2 1.3 2.1",
    )


@pytest.mark.parametrize(
    ("row", "effects", "attempts", "begun", "said"),
    [
        ((1, "exactly_once.e", "RUNNING", 1), [], [(1, 1, "LOST", "x")], "", "is RUNNING"),
        ((1, "exactly_once.e", "SUCCESSFUL", 1), [], [], "1.1", "left effects of attempts []"),
        ((1, "exactly_once.e", "SUCCESSFUL", 1), [(1, 1), (1, 1)], [], "1.1", "left effects of attempts [1, 1]"),
        ((1, "exactly_once.e", "FAILED", 1), [(1, 1)], [(1, 1, "ERROR", "x")], "1.1", "left effects of attempts [1]"),
        (
            (1, "exactly_once.e", "SUCCESSFUL", 2),
            [(1, 1)],
            [(1, 1, "LOST", "x")],
            "1.1 1.2",
            "left effects of attempts [1]",
        ),
        ((1, "e", "FAILED", 1), [], [(1, 1, "ERROR", "")], "1.1", "nothing says why"),
        ((1, "e", "SUCCESSFUL", 2), [], [], "1.2", "its failed attempts are {}"),
        ((1, "e", "SUCCESSFUL", 1), [], [(1, 1, "ERROR", "x")], "1.1", "its failed attempts are {1: ['ERROR']}"),
        ((1, "e", "FAILED", 1), [], [(1, 1, "ERROR", "x"), (1, 1, "LOST", "y")], "1.1", "['ERROR', 'LOST']"),
        ((1, "exactly_once.e", "SUCCESSFUL", 1), [(1, 1)], [], "1.1 1.1", "began its attempt 1 2 times"),
        ((1, "e", "SUCCESSFUL", 1), [], [], "1.1 1.1 1.1", "began its attempt 1 3 times"),
        ((1, "e", "SUCCESSFUL", 2), [], [(1, 1, "ERROR", "x")], "1.1 1.2 1.2", "began its attempt 2 2 times"),
        ((1, "e", "SUCCESSFUL", 1), [], [], "1.1 1.2", "began an attempt 2 and counts 1"),
        ((1, "e", "SUCCESSFUL", 1), [], [], "", "an attempt 1 that never began"),
        ((1, "e", "SUCCESSFUL", 1), [(7, 1)], [], "1.1", "delivery 7 does not exist"),
    ],
)
def test_what_went_wrong_is_named(
    row: Row, effects: list[tuple[int, int]], attempts: list[End], begun: str, said: str
) -> None:
    assert any(said in one for one in violations(row, attempts=attempts, effects=effects, begun=begun))


def test_a_batch_is_settled_and_followed_once() -> None:
    tables = Tables(deliveries=[], attempts=[], effects=[], batches=[(1, True, 1), (2, False, 0), (3, True, 2)])
    assert examine(tables, None).violations == [
        "batch 2 is not settled, and 0 deliveries follow it",
        "batch 3 is settled, and 2 deliveries follow it",
    ]


def test_the_first_attempt_of_a_receiver_that_may_run_again_may_begin_twice() -> None:
    once = (1, "at_least_once.e", "SUCCESSFUL", 1)
    assert not violations(once, begun="1.1 1.1")
    assert violations(once, begun="1.1 1.1", max_attempts=1)
