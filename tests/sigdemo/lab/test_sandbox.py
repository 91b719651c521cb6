"""The crash test's processes obey whoever started them, and do not outlive it."""

import os
import subprocess
import sys

import pytest

from sigdemo.lab.sandbox import ABANDONED, EXIT_STATUS
from tests.cluster import ROOT


@pytest.mark.parametrize(("word", "status"), [(b"exit\n", EXIT_STATUS), (b"", ABANDONED)])
def test_a_worker_ends_at_a_word_or_with_its_starter(word: bytes, status: int, transactional_db: None) -> None:
    process = subprocess.run(
        [sys.executable, "manage.py", "lab_sandbox", "--settings", "tests.settings", "--queue", "lab-crash"],
        cwd=ROOT,
        env=os.environ | {"TEST_RUN_DB": "1"},
        input=word,
        timeout=30,
        check=False,
    )

    assert process.returncode == status
