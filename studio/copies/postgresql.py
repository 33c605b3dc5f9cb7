"""PostgreSQL's own tools for copies: pg_dump on an exported snapshot, pg_restore in one transaction."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from sqlalchemy import Connection, Engine, text

from studio.errors import StartupError


def dump(connection: Connection, target: Path) -> None:
    """Write what this connection's transaction (REPEATABLE READ) sees, in pg_dump's custom format."""
    snapshot = connection.scalar(text("SELECT pg_export_snapshot()"))
    _run("pg_dump", connection, f"--snapshot={snapshot}", "--format=custom", "--no-owner", "--no-privileges",
         f"--file={target}")  # fmt: skip


def load(engine: Engine, source: Path, *, replace: bool) -> None:
    """Read a dump into the database, all or nothing; `replace` drops the tables that it brings first."""
    options = ["--clean", "--if-exists"] if replace else []
    with engine.connect() as connection:
        _run("pg_restore", connection, "--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error",
             *options, str(source))  # fmt: skip


def _run(tool: str, connection: Connection, *arguments: str) -> None:
    binary = _find(tool, connection)
    info = connection.connection.driver_connection.info  # type: ignore[union-attr]
    # The password goes by the environment: other users of the machine can read a command's arguments.
    environment = {**os.environ, "PGPASSWORD": info.password or ""}
    command = [str(binary), f"--dbname={_conninfo(info.get_parameters())}", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise StartupError(f"{tool} failed: {done.stderr.strip().splitlines()[-1] if done.stderr else 'no reason'}")


def _find(tool: str, connection: Connection) -> Path:
    """The tool on PATH, not older than the server: an older pg_dump refuses."""
    server = int((connection.dialect.server_version_info or (0,))[0])
    remedy = f"Install PostgreSQL's client programs of version {server} or newer and put them on PATH."
    found = shutil.which(tool)
    if found is None:
        raise StartupError(f"{tool} is not there, and a PostgreSQL database is copied with it. {remedy}")
    said = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
    version = re.search(r"\d+", said)
    if version is None or int(version[0]) < server:
        raise StartupError(f"{said.strip() or tool} is older than the server, which is version {server}. {remedy}")
    return Path(found)


def _conninfo(parameters: dict[str, str]) -> str:
    quoted = {name: value.replace("\\", "\\\\").replace("'", "\\'") for name, value in parameters.items()}
    return " ".join(f"{name}='{value}'" for name, value in quoted.items())
