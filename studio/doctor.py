"""What is there and what is missing, with a remedy for each: `tunewright doctor`."""

import importlib.util
import json
import platform
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files

from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from studio import valkey
from studio.data_folder import MINIMUM_FREE_BYTES, prepare
from studio.db import make_engine
from studio.errors import StartupError
from studio.settings import Settings
from studio.storage import free_bytes
from studio.wire import Wire

INSTALL_WORKER = "pip install 'tunewright[worker]'"
# Asked in a process of its own: importing torch takes seconds and memory that this one should not keep.
_GPU_QUESTION = """
import json, torch
cuda = torch.cuda.is_available()
names = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())] if cuda else []
print(json.dumps([f"{one.name}, {one.total_memory / 2**30:.0f} GiB" for one in names]))
"""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report; `remedy` says what to do when it is not found."""

    name: str
    found: bool
    what: str
    remedy: str = ""
    is_needed: bool = True


def examine(settings: Settings) -> list[Check]:
    """Look at everything that a studio on this machine needs or can use."""
    checks: list[Callable[[], Check]] = [
        _python,
        lambda: _package("torch", INSTALL_WORKER),
        _gpu,
        lambda: _package("bitsandbytes", INSTALL_WORKER),
        lambda: _package("peft", INSTALL_WORKER),
        lambda: _package("trl", INSTALL_WORKER),
        lambda: _redis(settings),
        lambda: _data_folder(settings),
        lambda: _disk(settings),
        lambda: _database(settings),
        _frontend,
    ]
    return [check() for check in checks]


def report(checks: list[Check]) -> str:
    """The checks as aligned lines."""
    width = max(len(check.name) for check in checks)
    return "\n".join(_line(check, width) for check in checks)


def _line(check: Check, width: int) -> str:
    word = "ok     " if check.found else ("MISSING" if check.is_needed else "none   ")
    remedy = f"\n{' ' * (width + 11)}{check.remedy}" if not check.found and check.remedy else ""
    return f"{check.name.ljust(width)}  {word}  {check.what}{remedy}"


def _python() -> Check:
    supported = (3, 11) <= sys.version_info[:2] <= (3, 13)
    what = f"{platform.python_version()} at {sys.executable}"
    return Check("Python", supported, what, "Install Python 3.11, 3.12 or 3.13.")


def _package(name: str, remedy: str) -> Check:
    try:
        return Check(name, True, version(name))
    except PackageNotFoundError:
        return Check(name, False, "not installed: nothing can be trained here", remedy)


def _gpu() -> Check:
    remedy = "Small models train on the CPU. For a GPU: install NVIDIA's driver 580 or newer and see nvidia-smi."
    if importlib.util.find_spec("torch") is None:
        return Check("GPU", False, "unknown without torch", INSTALL_WORKER, is_needed=False)
    try:
        asked = subprocess.run(
            [sys.executable, "-P", "-c", _GPU_QUESTION], capture_output=True, text=True, timeout=120, check=True
        )
        names = json.loads(asked.stdout.splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        remedy = "Run python -c 'import torch' to see why; reinstalling the worker extra often mends it."
        return Check("GPU", False, "torch cannot be imported", remedy, is_needed=False)
    return Check("GPU", bool(names), "; ".join(names) or "none that torch can use", remedy, is_needed=False)


def _redis(settings: Settings) -> Check:
    if settings.redis_url:
        wire = Wire(settings.redis_url)
        answers = wire.answers()
        wire.close()
        what = "the server of TUNEWRIGHT_REDIS_URL " + ("answers" if answers else "does not answer")
        return Check("Redis", answers, what, "Start it, or unset the variable to use an own server.")
    try:
        binary = valkey.find_server()
    except StartupError:
        return Check("Redis", False, "no Valkey or Redis server of 6.2 or newer", valkey.REMEDIES)
    return Check("Redis", True, f"{'.'.join(map(str, valkey.server_version(binary)))} at {binary}")


def _data_folder(settings: Settings) -> Check:
    try:
        prepare(settings, minimum_free_bytes=0)
    except StartupError as error:
        return Check("Data folder", False, str(settings.data_dir), error.message)
    return Check("Data folder", True, str(settings.data_dir))


def _disk(settings: Settings) -> Check:
    free = free_bytes(settings.data_dir)
    what = f"{free / 1e9:.1f} GB free in the data folder"
    return Check("Disk", free >= MINIMUM_FREE_BYTES, what, "Free some space, or set TUNEWRIGHT_DATA_DIR.")


def _database(settings: Settings) -> Check:
    # A password in the URL is not shown.
    shown = make_url(settings.sqlalchemy_url).render_as_string(hide_password=True)
    try:
        engine = make_engine(settings.sqlalchemy_url)
        with engine.connect() as connection:
            connection.execute(text("SELECT 1"))
        engine.dispose()
    except ModuleNotFoundError:
        return Check("Database", False, shown, "pip install 'tunewright[postgres]'")
    except SQLAlchemyError:
        return Check("Database", False, f"{shown} does not answer", "Start it, or mend TUNEWRIGHT_DATABASE_URL.")
    return Check("Database", True, shown)


def _frontend() -> Check:
    manifest = files("app") / "static" / "vendor" / "MANIFEST.json"
    if not manifest.is_file():
        return Check("Front end", False, "files from npm are missing", "In a checkout, run make up once.")
    named = [f"{entry['name']} {entry['version']}" for entry in json.loads(manifest.read_text(encoding="utf-8"))]
    return Check("Front end", True, ", ".join(dict.fromkeys(named)))
