"""What the audit of installed packages says, and when it fails."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.audit import told

KNOWN = {"name": "django", "version": "5.2.1", "vulns": []}
VULNERABLE = {"name": "pillow", "version": "1.0", "vulns": [{"id": "CVE-2026-1", "fix_versions": ["1.1", "2.0"]}]}
HOPELESS = {"name": "old", "version": "0.1", "vulns": [{"id": "PYSEC-7", "fix_versions": []}]}
UNKNOWN = {"name": "waitress", "skip_reason": "Dependency not found on PyPI"}
OURS = {"name": "signals-app", "skip_reason": "Dependency not found on PyPI"}


def report(*packages: dict[str, Any]) -> str:
    """Return pip-audit's report of some packages."""
    return json.dumps({"dependencies": packages, "fixes": []})


@pytest.mark.parametrize("required", [False, True])
def test_all_checked_and_nothing_found_passes(required: bool) -> None:
    assert told(report(KNOWN, OURS), required=required) == (0, ["1 packages checked for vulnerabilities, 0 found."])


def test_a_known_vulnerability_fails_and_says_what_fixes_it() -> None:
    status, lines = told(report(KNOWN, VULNERABLE, HOPELESS), required=False)
    assert status == 1
    assert lines[1:] == ["pillow 1.0: CVE-2026-1, fixed in 1.1, 2.0", "old 0.1: PYSEC-7, fixed in no version"]


@pytest.mark.parametrize(("required", "status"), [(False, 0), (True, 1)])
@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (report(UNKNOWN), "1 packages, which the service does not know: waitress"),
        (report(KNOWN, UNKNOWN), "1 packages, which the service does not know: waitress"),
        (report(), "0 packages"),
        ("Traceback\nConnectionError: no route to the service", "ConnectionError: no route to the service"),
        ("", "pip-audit said nothing"),
        ("[]", "[]"),
    ],
)
def test_what_was_not_checked_is_said_and_fails_only_where_it_must_not_be(
    said: str, reason: str, required: bool, status: int
) -> None:
    got, lines = told(said, required=required)
    assert got == status
    assert lines[-1].startswith(f"NOT CHECKED for vulnerabilities: {reason}")
