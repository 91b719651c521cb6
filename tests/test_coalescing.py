"""The ways that were not taken still lose what they are said to lose, as the page that shows it says."""

import os

import pytest

from tests.coalescing import main
from tests.docs.markdown import ROOT


@pytest.mark.database("postgresql")
def test_the_other_ways_lose_an_update_or_deadlock_and_the_page_shows_it() -> None:
    lines = main(os.environ["TEST_DATABASE_URL"])
    assert [("lost" in line, "1 ended in a deadlock" in line) for line in lines] == [
        (True, False),
        (False, False),
        (False, True),
        (False, False),
    ]
    assert "\n".join(lines) in (ROOT / "docs" / "how-to" / "coalesce.md").read_text()
