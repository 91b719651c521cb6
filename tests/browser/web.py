"""The site in a web server of its own, as it is deployed, on the test database."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import IO, Self
from urllib.request import ProxyHandler, build_opener

from tests.cluster import ROOT, descendants, wait_until
from tests.ports import free_port

OF_TESTS = {"TEST_RUN_DB": "1", "DJANGO_SETTINGS_MODULE": "tests.settings"}


class Web:
    """Starts and stops the web server; what it prints is in ``log``."""

    def __init__(self, log: Path, **environment: str) -> None:
        self.log = log
        self._environment = environment
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        self._output: IO[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What the site and its cluster must know of each other."""
        return {"PORT": str(self.port), "SITE_URL": self.url, "WAREHOUSE_URL": f"{self.url}/shop/warehouse/"}

    def family(self) -> set[int]:
        """Return the pids of the web server's processes."""
        assert self._process is not None
        return {self._process.pid, *descendants(self._process.pid)}

    def __enter__(self) -> Self:
        self._output = self.log.open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sigdemo.serve"],
            cwd=ROOT,
            env=os.environ | self.environment | self._environment | OF_TESTS,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_until(self._answers, f"an answer of the web server ({self.log})")
        except AssertionError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        assert self._process is not None
        assert self._output is not None
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._output.close()

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()
        try:
            with build_opener(ProxyHandler({})).open(f"{self.url}/shop/", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:  # nobody listens yet, or a busy machine takes its time
            return False
