"""The settings, as a process of its own reads them from its environment."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
KEY = "x" * 50


def python(var: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python with nothing in its environment but what is given, and a key where DEBUG is on."""
    base = {"PATH": os.environ["PATH"], "VAR_DIR": str(var), "ENV_FILE": os.devnull}
    base |= {"SECRET_KEY": KEY} if "DEBUG" in environment else {}
    base |= {"DJANGO_SETTINGS_MODULE": "sigdemo.settings"} | environment
    return subprocess.run([sys.executable, *arguments], env=base, cwd=ROOT, capture_output=True, text=True, check=False)


def read(var: Path, *names: str, **environment: str) -> list[Any]:
    """Return the named settings of a fresh process, as JSON can say them."""
    code = (
        "import json; from django.conf import settings\n"
        f"print(json.dumps([getattr(settings, name) for name in {names}], default=str))"
    )
    result = python(var, "-c", code, **environment)
    assert result.returncode == 0, result.stderr
    found: list[Any] = json.loads(result.stdout)
    return found


def test_nothing_set_asks_for_a_secret_key(tmp_path: Path) -> None:
    result = python(tmp_path, "manage.py", "check")
    assert result.returncode == 1
    assert "SECRET_KEY is not set." in result.stderr
    assert "make run writes one to .env" in result.stderr


def test_production_is_safe_without_being_asked(tmp_path: Path) -> None:
    safe = {"DEBUG": False, "ALLOWED_HOSTS": [], "SECURE_SSL_REDIRECT": True, "SECURE_HSTS_SECONDS": 3600}
    for cookie in ("SESSION", "CSRF"):
        safe |= {f"{cookie}_COOKIE_SECURE": True, f"{cookie}_COOKIE_HTTPONLY": True, f"{cookie}_COOKIE_SAMESITE": "Lax"}
    assert dict(zip(safe, read(tmp_path, *safe, SECRET_KEY=KEY), strict=True)) == safe


def test_debug_makes_the_demo_work_out_of_the_box(tmp_path: Path) -> None:
    names = ("ALLOWED_HOSTS", "SECURE_SSL_REDIRECT", "WAREHOUSE_URL", "DATABASES")
    var = tmp_path / "a b%20#?é"  # holds a database, too
    hosts, redirect, warehouse, databases = read(var, *names, DEBUG="true", PORT="8123")
    assert hosts == ["localhost", "127.0.0.1", "[::1]"]
    assert redirect is False
    assert warehouse == "http://127.0.0.1:8123/shop/warehouse/"
    assert databases["default"]["NAME"] == str(var / "db.sqlite3")


def test_no_other_user_looks_into_the_directory_of_data(tmp_path: Path) -> None:
    made, open_to_all = tmp_path / "deep" / "var", tmp_path / "open"
    read(made, "DEBUG", SECRET_KEY=KEY)
    assert made.stat().st_mode & 0o777 == 0o700
    open_to_all.mkdir(mode=0o755)
    told = python(open_to_all, "manage.py", "check", SECRET_KEY=KEY).stderr
    assert f"Other users of this machine can look into {open_to_all}" in told
    assert f"Run: chmod go= {open_to_all}" in told
    open_to_all.chmod(0o700)
    assert "chmod" not in python(open_to_all, "manage.py", "check", SECRET_KEY=KEY).stderr
    secrets = tmp_path / "env"
    secrets.write_text(f"SECRET_KEY={KEY}")
    secrets.chmod(0o644)
    assert f"Run: chmod go= {secrets}" in python(open_to_all, "manage.py", "check", ENV_FILE=str(secrets)).stderr


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(tmp_path: Path) -> None:
    file, key = tmp_path / "env", tmp_path / "key"
    file.write_text("PORT=8001\nWORKERS=3\n")
    key.write_text("from a file")
    names = ("PORT", "Q_CLUSTER", "SECRET_KEY")
    port, cluster, secret = read(tmp_path, *names, ENV_FILE=str(file), PORT="8002", SECRET_KEY_FILE=str(key))
    assert (port, cluster["workers"], cluster["queue_limit"], secret) == (8002, 3, 3, "from a file")


@pytest.mark.parametrize(
    ("variable", "value"), [("WORKERS", "many"), ("WORKERS", "0"), ("PORT", "0"), ("PROXIES", "-1")]
)
def test_a_value_that_makes_no_sense_names_its_variable(tmp_path: Path, variable: str, value: str) -> None:
    result = python(tmp_path, "manage.py", "check", **{"DEBUG": "true", variable: value})
    assert result.returncode == 1
    assert f'Environment variable "{variable}" invalid' in result.stderr


def test_no_text_in_the_log_passes_for_another_record_and_no_secret_is_written(tmp_path: Path) -> None:
    say = r"logging.getLogger('receivers').info('Order %s', '5\n2026-11-23 CRITICAL \x1b[2J /?token=hunter2')"
    written = python(tmp_path, "-c", f"import django, logging; django.setup(); {say}", DEBUG="true").stderr
    assert written.endswith(" Order 5\n  | 2026-11-23 CRITICAL \\x1b[2J /?token=********\n")
