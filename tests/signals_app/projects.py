"""Projects that are made for a test, and the real commands that run in them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.cluster import ROOT

BLANK = """
SECRET_KEY = "only for the tests"
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{__file__}.sqlite3"},
    "other": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{__file__}.other"},
}
INSTALLED_APPS = ["signals_app", "django_q"]
"""


class Project:
    """A directory with a module of settings; whatever else is in it can be imported."""

    def __init__(self, directory: Path, settings: str = "") -> None:
        self.directory = directory
        (directory / "project_settings.py").write_text(BLANK + settings)

    def write(self, name: str, text: str) -> None:
        """Write a file, and make each directory that it is in a package."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        for package in path.relative_to(self.directory).parents:
            (self.directory / package / "__init__.py").touch()
        path.write_text(text)

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run Python with these arguments; a warning is an error."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("Q_", "TEST_"))}
        return subprocess.run(
            [sys.executable, "-W", "error", *arguments],
            env={
                **inherited,
                "PYTHONPATH": os.pathsep.join([str(self.directory), str(ROOT)]),
                "DJANGO_SETTINGS_MODULE": "project_settings",
                **environment,
            },
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def manage(self, command: str, **environment: str) -> str:
        """Return what a command of Django's prints."""
        ran = self.run("-m", "django", *command.split(), **environment)
        return ran.stdout + ran.stderr

    def shell(self, code: str, **environment: str) -> str:
        """Return what code prints once Django has started. Raises AssertionError where it fails."""
        ran = self.run("-c", f"import django; django.setup()\n{code}", **environment)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout
