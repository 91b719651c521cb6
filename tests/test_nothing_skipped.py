"""In CI a skipped test fails the run, and the last lines say so."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def run(directory: Path, *, ci: bool) -> subprocess.CompletedProcess[str]:
    (directory / "test_it.py").write_text("import pytest\n\ndef test_it():\n    pytest.skip('no browser')\n")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    environment.pop("CI", None)
    if ci:
        environment["CI"] = "true"
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:django", "-p", "tests.nothing_skipped", "-ra"],
        env=environment,
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("ci", "status"), [(True, 1), (False, 0)])
def test_a_skip_fails_the_run_in_ci_alone(ci: bool, status: int, tmp_path: Path) -> None:
    result = run(tmp_path, ci=ci)

    assert result.returncode == status, result.stdout + result.stderr
    assert ("CI is set and 1 tests were skipped" in result.stdout) == ci
    assert "no browser" in result.stdout
    assert "1 skipped" in result.stdout.splitlines()[-1]
