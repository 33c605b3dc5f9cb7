"""The command line says what it does in a sentence and exits with a code that scripts can read."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from studio.errors import StartupError
from studio.local import check_worker_packages


def tunewright(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the real command."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TUNEWRIGHT_")}
    return subprocess.run(
        [sys.executable, "-P", "-m", "studio.cli", *arguments],
        env={**plain, **variables},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_help_lists_every_command() -> None:
    done = tunewright("--help")

    assert done.returncode == 0
    for command in ("up", "worker", "web", "migrate", "doctor", "fsck", "backup", "restore", "demo", "version"):
        assert f"\n  {command} " in done.stdout


def test_version_is_printed() -> None:
    assert tunewright("version").stdout == "0.1.0\n"


def test_migrate_makes_the_database_and_may_be_repeated(tmp_path: Path) -> None:
    for _ in range(2):
        done = tunewright("migrate", TUNEWRIGHT_DATA_DIR=str(tmp_path / "data"))
        assert (done.returncode, done.stderr) == (0, "")

    assert (tmp_path / "data" / "tunewright.sqlite").is_file()


def test_a_wrong_setting_is_one_sentence_with_its_name(tmp_path: Path) -> None:
    done = tunewright("up", TUNEWRIGHT_DATA_DIR=str(tmp_path), TUNEWRIGHT_PORT="eighty")

    assert done.returncode == 1
    assert done.stderr.startswith("TUNEWRIGHT_PORT: ")
    assert "'eighty'" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_host_that_others_can_reach_is_refused_by_every_way_to_start(tmp_path: Path) -> None:
    for command in (("up", "--no-worker"), ("web",)):
        done = tunewright(*command, TUNEWRIGHT_DATA_DIR=str(tmp_path), TUNEWRIGHT_HOST="0.0.0.0")
        assert done.returncode == 1
        assert "no accounts yet" in done.stderr
        assert "Traceback" not in done.stderr


def test_without_the_training_packages_up_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name in {"trl", "peft"} else object())

    with pytest.raises(StartupError, match=r"not installed \(peft, trl\).*pip install 'tunewright\[worker\]'"):
        check_worker_packages()


def test_the_command_line_starts_without_the_heavy_stacks() -> None:
    loaded = (
        "import sys, studio.cli; print(sorted({'torch', 'fastapi', 'transformers', 'sqlalchemy'} & set(sys.modules)))"
    )

    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
