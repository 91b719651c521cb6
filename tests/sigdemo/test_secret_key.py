"""The demo's secret key: one, whoever asks first, and nobody else's to read."""

import stat
import subprocess
import sys
from pathlib import Path

from sigdemo.secret_key import read_or_create


def test_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "var/secret_key"

    key = read_or_create(path)

    assert len(key) >= 50
    assert read_or_create(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_processes_that_start_together_agree_on_the_key(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from sigdemo.secret_key import read_or_create\n"
        "sys.stdin.readline(); print(read_or_create(Path(sys.argv[1])))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "secret_key")]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]

    answers = {process.communicate("\n", timeout=60)[0] for process in processes}

    assert len(answers) == 1
    assert answers != {""}
