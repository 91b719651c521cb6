"""A disk that is soon full."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

MISSING = "A small disk cannot be mounted here: that takes root."


@contextmanager
def mounted(megabytes: int) -> Iterator[Path]:
    """Mount a file system of that size in memory. Skips the test where that is not allowed."""
    directory = Path(tempfile.mkdtemp(prefix="sigdemo-disk-"))
    directory.chmod(0o755)
    try:
        if os.getuid() or _run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "disk", str(directory)):
            pytest.skip(MISSING)
        yield directory
    finally:
        _run("umount", "--lazy", str(directory))
        directory.rmdir()


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """Take every byte that is left of a disk while the block runs."""
    filler = disk / "filler"
    try:
        with filler.open("wb", buffering=0) as file:
            for size in (2**20, 2**12, 1):
                try:
                    while file.write(bytes(size)) == size:
                        pass
                except OSError:
                    continue
        yield
    finally:
        filler.unlink()


def _run(*command: str) -> int:
    return subprocess.run(command, check=False, capture_output=True).returncode
