"""Who is measured, and the processes that measure for the benchmark."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[2]
WORKERS = 2
PATIENCE = 300.0  # seconds until a process that does not answer is given up
CONTENDERS = {
    "signals_app": "signals_app",
    "django_q_tuned": "django-q2, tuned",
    "django_q": "django-q2, defaults",
}
Q_CLUSTERS: dict[str, dict[str, Any]] = {
    # as the site has it
    "signals_app": {"queue_limit": WORKERS, "max_attempts": 5},
    "django_q_tuned": {"bulk": 50, "save_limit": -1, "poll": 0.02},
    "django_q": {},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a process of the benchmark runs under: a contender, a database, and how its connections are treated."""

    contender: str
    database: str  # a URL
    connections: str  # "reopened" or "kept"
    log: Path

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment of a process under this setup."""
        return os.environ | {
            "DJANGO_SETTINGS_MODULE": "tests.bench.settings",
            "BENCH_CONTENDER": self.contender,
            "BENCH_DATABASE": self.database,
            "BENCH_CONNECTIONS": self.connections,
            **more,
        }

    def start(self, arguments: list[str], **options: Any) -> subprocess.Popen[bytes]:
        """Start a Python process under this setup; what it has to say goes to the log."""
        environment = self.environment(**options.pop("environment", {}))
        with self.log.open("ab") as log:
            return subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env=environment, stderr=log, **options)


class Child:
    """A measuring process. It ends by itself when its input does, and so with the benchmark."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self._process = setup.start(["-m", "tests.bench.child"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.facts: dict[str, Any] = self._answer(lambda: None)

    def ask(self, do: str, meanwhile: Callable[[], None] = lambda: None, **arguments: Any) -> dict[str, Any]:
        """Have something measured and return the answer; ``meanwhile`` is called ten times a second."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **arguments}).encode() + b"\n")
        self._process.stdin.flush()
        return self._answer(meanwhile)

    def close(self) -> None:
        """End it."""
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                assert pipe is not None
                pipe.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _answer(self, meanwhile: Callable[[], None]) -> dict[str, Any]:
        assert self._process.stdout is not None
        deadline = time.monotonic() + PATIENCE
        while not select.select([self._process.stdout], [], [], 0.1)[0]:
            meanwhile()
            if time.monotonic() > deadline:
                self._process.kill()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(
                f"The measuring process of {self.setup.contender} ended or did not answer within {PATIENCE:g} s. It "
                f"said: {self.setup.log.read_text(errors='replace')[-3000:]}"
            )
        answer: dict[str, Any] = json.loads(line)
        return answer
