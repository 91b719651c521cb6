"""Check the installed packages for known vulnerabilities: ``python -m tests.audit``; it says what it could not check.

pip-audit itself passes when the service knows none of the packages, as a mirror of PyPI without its database does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

PATIENCE = 120  # seconds
OURS = {"signals-app"}  # on no registry


def ask() -> str:
    """Return pip-audit's report as JSON text, or what it said instead."""
    command = [sys.executable, "-m", "pip_audit", "--local", "--format", "json", "--progress-spinner", "off"]
    try:
        asked = subprocess.run(
            [*command, "--timeout", "10"], capture_output=True, text=True, check=False, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        return f"pip-audit had no answer within {PATIENCE} s"
    return asked.stdout or asked.stderr


def told(report: str, *, required: bool) -> tuple[int, list[str]]:
    """Return the exit status and what to print: 1 for a known vulnerability, and for none asked where that counts."""
    try:
        packages: list[dict[str, Any]] = json.loads(report)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return int(required), [f"NOT CHECKED for vulnerabilities: {_last_line(report)}"]
    found = [_vulnerability(package, one) for package in packages for one in package.get("vulns", [])]
    skipped = [package["name"] for package in packages if "skip_reason" in package and package["name"] not in OURS]
    checked = sum("vulns" in package for package in packages)
    lines = [f"{checked} packages checked for vulnerabilities, {len(found)} found.", *found]
    if skipped or not checked:
        lines.append(
            f"NOT CHECKED for vulnerabilities: {len(skipped)} packages, which the service does not know: "
            f"{', '.join(skipped[:5])}{' …' if len(skipped) > 5 else ''}"
        )
    return int(bool(found) or (required and (bool(skipped) or not checked))), lines


def _vulnerability(package: dict[str, Any], one: dict[str, Any]) -> str:
    fixed = ", ".join(one["fix_versions"]) or "no version"
    return f"{package['name']} {package['version']}: {one['id']}, fixed in {fixed}"


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["pip-audit said nothing"])[-1][:300]


if __name__ == "__main__":
    status, lines = told(ask(), required=os.environ.get("AUDIT") == "required")
    print(*lines, sep="\n")
    sys.exit(status)
