"""PostgreSQL types the parameters of a statement by itself where it binds them, and may find them ambiguous."""

from collections.abc import Iterator

import pytest
from django.db import connection

from tests.faults.paths import PATHS

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database("postgresql")]


@pytest.fixture(autouse=True)
def server_side() -> Iterator[None]:
    """A connection whose parameters the server binds."""
    options = connection.settings_dict["OPTIONS"]
    connection.close()
    options["server_side_binding"] = True
    yield
    connection.close()
    del options["server_side_binding"]


@pytest.mark.parametrize("name", PATHS)
def test_every_statement_of_the_ledger_says_its_types(name: str) -> None:
    path = PATHS[name]
    path.prepare("bound")
    path.step("bound")
