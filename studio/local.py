"""The studio on one machine: Valkey, one worker and the website, supervised by one command."""

import asyncio
import importlib.util
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from studio import data_folder, valkey
from studio.errors import StartupError
from studio.listening import listen, url_of
from studio.migrate import upgrade
from studio.settings import Settings
from studio.supervised import Child, Part
from studio.wire import Wire

Say = Callable[[str], None]

WORKER_PACKAGES = ("torch", "transformers", "peft", "trl", "bitsandbytes", "datasets", "accelerate", "pyarrow")
HEARTBEAT_FILE = "worker.heartbeat"
# What the website may know of the environment: no tokens of hubs and clouds, whatever their names.
WEB_VARIABLES = frozenset({"PATH", "HOME", "USER", "LANG", "LANGUAGE", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR"})
WEB_PREFIXES = ("LC_", "PYTHON", "TUNEWRIGHT_")


@dataclass(frozen=True, slots=True)
class Studio:
    """What the parts share once everything was checked."""

    settings: Settings
    listening: socket.socket
    redis_url: str
    valkey_command: tuple[str, ...] | None
    with_worker: bool


def up(settings: Settings, *, with_worker: bool, say: Say) -> None:
    """Run the studio until it is asked to stop; raises StartupError with a sentence when it cannot start."""
    settings = settings.model_copy(update={"data_dir": settings.data_dir.expanduser().resolve()})
    if with_worker:
        check_worker_packages()
    listening = listen(settings)
    with listening:
        data_folder.prepare(settings)
        with data_folder.held(settings.data_dir):
            upgrade(settings.sqlalchemy_url)
            asyncio.run(_supervise(_plan(settings, listening, with_worker), say))


def check_worker_packages() -> None:
    """Raise StartupError when the training packages are not installed; imports none of them."""
    missing = [name for name in WORKER_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise StartupError(
            f"Training needs packages that are not installed ({', '.join(missing)}). Run pip install "
            "'tunewright[worker]', or start the website alone with tunewright up --no-worker."
        )


def _plan(settings: Settings, listening: socket.socket, with_worker: bool) -> Studio:
    if settings.redis_url:
        _check_redis(settings.redis_url)
        return Studio(settings, listening, settings.redis_url, None, with_worker)
    binary = valkey.find_server()
    socket_path = valkey.make_socket_path(settings.data_dir)
    command = valkey.server_command(binary, socket_path, settings.data_dir / "valkey")
    return Studio(settings, listening, f"unix://{socket_path}", command, with_worker)


def _check_redis(url: str) -> None:
    wire = Wire(url)
    try:
        if not wire.answers():
            raise StartupError("The server that TUNEWRIGHT_REDIS_URL names does not answer. Start it or mend the URL.")
    finally:
        wire.close()


async def _supervise(studio: Studio, say: Say) -> None:
    """Start in order, keep running, and on the first signal stop in the reverse order; a second one kills."""
    children = [Child(part, say) for part in _parts(studio)]
    stopping = asyncio.Event()

    def asked_to_stop() -> None:
        if stopping.is_set():
            for child in children:
                child.kill()
        stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, asked_to_stop)
    running = asyncio.create_task(_run(children, studio, say))
    waiting = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
        say("Stopping ...")
    finally:
        running.cancel()
        waiting.cancel()
        await asyncio.gather(running, waiting, return_exceptions=True)
        for child in reversed(children):
            await child.stop()


async def _run(children: list[Child], studio: Studio, say: Say) -> None:
    """Start each part when the one before answers; the worker's imports take 10 s and hold nothing up."""
    later: list[Child] = []
    for child in children:
        child.start()
        if child.part.name == "worker":
            later.append(child)
        else:
            await child.until_ready()
    say(f"Tunewright is at {url_of(studio.listening)} (logs: {studio.settings.logs_dir}; Ctrl-C stops it)")
    async with asyncio.TaskGroup() as group:
        for child in children:
            group.create_task(child.keep_running())
        for child in later:
            group.create_task(_tell_when_ready(child, say))


async def _tell_when_ready(child: Child, say: Say) -> None:
    try:
        say(f"The {child.part.name} is ready ({await child.until_ready():.0f} s).")
    except StartupError as error:
        say(error.message)


def _parts(studio: Studio) -> list[Part]:
    """Valkey first, the website last."""
    settings = studio.settings
    shared = {
        **os.environ,
        "TUNEWRIGHT_DATA_DIR": str(settings.data_dir),
        "TUNEWRIGHT_REDIS_URL": studio.redis_url,
        # A folder named app or worker where the command is typed must not be taken for ours.
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
    }
    parts = [_website(studio, shared)]
    if studio.with_worker:
        parts[:0] = [_worker(settings, shared), _cpu_worker(settings, shared)]
    if studio.valkey_command:
        parts.insert(0, _valkey(studio.valkey_command, studio))
    return parts


def _valkey(command: tuple[str, ...], studio: Studio) -> Part:
    socket_path = Path(studio.redis_url.removeprefix("unix://"))
    return Part(
        name="Valkey server",
        command=command,
        environment=_only(os.environ, frozenset({"PATH", "HOME", "LANG"}), ()),
        log=studio.settings.logs_dir / "valkey.log",
        ready=lambda: valkey.answers(socket_path),
    )


def _worker(settings: Settings, shared: Mapping[str, str]) -> Part:
    heartbeat = settings.data_dir / HEARTBEAT_FILE
    begun = time.time()

    async def beats() -> bool:
        return heartbeat.exists() and heartbeat.stat().st_mtime > begun

    return Part(
        name="worker",
        command=(sys.executable, "-m", "worker"),
        environment=shared,
        log=settings.logs_dir / "worker.log",
        ready=beats,
        ready_seconds=120,
        # Within 60 s it has saved the run's state and handed it back.
        stop_seconds=65,
        stop_note="Saving the run's state ... (Ctrl-C again ends it at once; the run then goes on from its last "
        "checkpoint)",
    )


def _cpu_worker(settings: Settings, shared: Mapping[str, str]) -> Part:
    """Nobody waits for it: a page that needs it says so."""
    return Part(
        name="worker of the CPU queue",
        command=(sys.executable, "-m", "worker.cpu"),
        environment=shared,
        log=settings.logs_dir / "worker-cpu.log",
        ready=_at_once,
        stop_seconds=15,
    )


async def _at_once() -> bool:
    return True


def _website(studio: Studio, shared: Mapping[str, str]) -> Part:
    descriptor = studio.listening.fileno()
    host, port = studio.listening.getsockname()[:2]
    return Part(
        name="website",
        command=(sys.executable, "-m", "app", "--listen-fd", str(descriptor)),
        environment=_only(shared, WEB_VARIABLES, WEB_PREFIXES),
        log=studio.settings.logs_dir / "website.log",
        ready=lambda: _is_ready(host, port),
        pass_fds=(descriptor,),
    )


def _only(variables: Mapping[str, str], names: frozenset[str], prefixes: tuple[str, ...]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if name in names or name.startswith(prefixes)}


async def _is_ready(host: str, port: int) -> bool:
    """Ask /readyz once; without a client library, since this process stays small."""
    try:
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            status = await reader.readline()
            writer.close()
    except (OSError, TimeoutError):
        return False
    return b" 200 " in status
