"""A worker of version 0.1 beside this version: by its own code out of the history, or by the statements it sent."""

import json
import os
import subprocess
import sys
import tarfile
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

ROOT = Path(__file__).parents[3]
PROGRAM = Path(__file__).with_name("worker_0_1.py")
STATEMENTS = Path(__file__).with_name("statements_0_1.json")
COMMIT_OF_0_1 = "cd214c91e0f319a7083e60186fd9a967836b756b"
# What a recorded statement names instead of the run that it was sent for.
RUN_ID = "run_of_the_record"
Sent = list[tuple[str, list[Any]]]


def unpack(folder: Path) -> None:
    """Put the code of version 0.1 into `folder`; raises CalledProcessError in a clone without that history."""
    archive = subprocess.run(
        ["git", "archive", COMMIT_OF_0_1, "studio", "worker"], cwd=ROOT, capture_output=True, check=True
    )
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")


def act(code: Path, url: str, verbs: list[str]) -> Sent:
    """Let the code of version 0.1 do it; returns the statements that it sent."""
    # Sets of words go into statements in the order of their hashes.
    environ = {**os.environ, "PYTHONPATH": str(code), "PYTHONHASHSEED": "0"}
    done = subprocess.run([sys.executable, str(PROGRAM), url, *verbs], env=environ, capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return [(statement, rows) for statement, rows in json.loads(done.stdout)]


def replay(engine: Engine, scene: str, run_id: str) -> None:
    """Send what version 0.1 sent in that scene, for another run."""
    recorded = json.loads(STATEMENTS.read_text(encoding="utf-8"))[engine.dialect.name]
    with engine.begin() as connection:
        for number, rows in recorded["scenes"][scene]:
            for row in rows:
                connection.exec_driver_sql(recorded["statements"][number], _given(row, run_id))


def _given(value: Any, run_id: str) -> Any:
    """A recorded parameter as the driver takes it."""
    if isinstance(value, dict) and set(value) == {"datetime"}:
        return datetime.fromisoformat(value["datetime"])
    if isinstance(value, dict) and set(value) == {"json"}:
        from psycopg.types.json import Json

        return Json(value["json"])
    if isinstance(value, dict):
        return {name: _given(part, run_id) for name, part in value.items()}
    if isinstance(value, list):
        return tuple(_given(part, run_id) for part in value)
    return value.replace(RUN_ID, run_id) if isinstance(value, str) else value
