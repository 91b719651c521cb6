"""The import contract of pyproject.toml holds: floors, house, and one door to django_q."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LINT = Path(sys.executable).with_name("lint-imports")


def lint(directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([LINT, "--no-cache"], cwd=directory, capture_output=True, text=True, check=False)


def test_modules_import_only_from_floors_below() -> None:
    result = lint(ROOT)

    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("signals_app/backoff.py", "import signals_app.models", "from floors below its own"),
        ("signals_app/checks.py", "import receivers", "know only what is beneath them"),
        (
            "signals_app/models.py",
            "import django_q.tasks",
            "Only what stands at the door to django_q knows it",
        ),
        ("sigdemo/urls.py", "import receivers", "does not know who receives them"),
        ("signals_app/attic.py", "", "from floors below its own"),
        ("signals_app/ledger/claims.py", "import signals_app.ledger.recovery", "in a ring"),
    ],
)
def test_a_forbidden_import_is_found(module: str, line: str, contract: str, tmp_path: Path) -> None:
    for name in ("signals_app", "receivers", "sigdemo"):
        for source in (ROOT / name).rglob("*.py"):
            copy = tmp_path / source.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(source.read_bytes())
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    with (tmp_path / module).open("a") as file:
        file.write(f"\n{line}\n")

    result = lint(tmp_path)

    broken = [text for text in result.stdout.splitlines() if "BROKEN" in text]
    assert result.returncode == 1
    assert [contract in text for text in broken] == [True], result.stdout + result.stderr
