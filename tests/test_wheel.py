"""The wheel: signals_app alone, whole, and typed."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Build the wheel from a copy of the sources, so that nothing is left in the checkout."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE", "signals_app", "sigdemo", "receivers"):
        subprocess.run(["cp", "-R", ROOT / name, source], check=True)
    out = tmp_path_factory.mktemp("wheel")
    result = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, source],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return zipfile.ZipFile(next(out.glob("signals_app-*-py3-none-any.whl")))


def test_wheel_holds_every_file_of_signals_app_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    expected = {
        str(file.relative_to(ROOT))
        for file in (ROOT / "signals_app").rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }

    found = {name for name in wheel.namelist() if ".dist-info/" not in name}

    assert found == expected
    assert "signals_app/py.typed" in found


def test_wheel_asks_for_what_signals_app_imports(wheel: zipfile.ZipFile) -> None:
    metadata = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))

    lines = wheel.read(metadata).decode().splitlines()

    asked = [line for line in lines if line.startswith("Requires-Dist") and "extra ==" not in line]
    requirements = {line.split()[1].split("<")[0].split("!")[0] for line in asked}
    assert requirements == {"django", "django-q2"}
