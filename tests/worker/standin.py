"""Trainers that speak as the real one does and train nothing: the supervisor is given them as its target."""

import hashlib
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

from studio.runs import event_line
from studio.runs.events import Exported, Failed, Measured, PhaseBegan, Progressed
from studio.runs.folders import EVENTS_FILE
from worker.assignment import Assignment


def say(folder: Path, *events: object) -> None:
    with (folder / EVENTS_FILE).open("a", encoding="utf-8") as stream:
        for event in events:
            stream.write(event_line(event))


def succeed(folder: Path) -> int:
    """Three steps, one of them not finite, then an archive."""
    assignment = Assignment.read(folder)
    say(folder, PhaseBegan(phase="training"), Measured(step=0, values={"eval/loss": 4.0}))
    values: list[float | str] = [2.5, "nan", "-inf"]
    for step, value in enumerate(values, 1):
        say(folder, Measured(step=step, values={"train/loss": value}), Progressed(step=step, total_steps=3))
    export(folder, assignment)
    return 0


def export(folder: Path, assignment: Assignment) -> None:
    say(folder, PhaseBegan(phase="exporting"))
    (folder / "export").mkdir()
    archive = folder / "export" / "adapter.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("adapter_config.json", "{}")
    say(
        folder,
        Exported(
            archive="export/adapter.zip",
            sha256=hashlib.sha256(archive.read_bytes()).hexdigest(),
            size_bytes=archive.stat().st_size,
            files=[{"name": "adapter_config.json", "size_bytes": 2}],
            step=3,
            validation_loss=1.5,
            trained_parameters=1000,
            base_revision=assignment.base_revision,
        ),
    )


def wait_for_ever(folder: Path) -> int:
    """Trains without end, and has a child of its own as a DataLoader would."""
    helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (folder / "helper.pid").write_text(str(helper.pid))
    say(folder, PhaseBegan(phase="training"), Progressed(step=37, total_steps=100))
    time.sleep(600)
    return 0


def ignore_sigterm(folder: Path) -> int:
    """A trainer stuck where it cannot answer."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return wait_for_ever(folder)


def be_killed(folder: Path) -> int:
    say(folder, PhaseBegan(phase="training"), Progressed(step=37, total_steps=100))
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def crash(folder: Path) -> int:
    os.kill(os.getpid(), signal.SIGSEGV)
    return 0


def fail(folder: Path) -> int:
    say(folder, Failed(kind="bad_data", reason="Row 17 has no answer to learn from."))
    return 1


def fail_with_a_trace(folder: Path) -> int:
    say(folder, Failed(kind="internal", reason='Traceback (most recent call last):\n  File "x.py", line 1\nKeyError'))
    return 1


def say_nothing(folder: Path) -> int:
    return 3


def raise_an_error(folder: Path) -> int:
    raise KeyError("lm_head")


def tell_environment(folder: Path) -> int:
    """Says in its log what it can see, then succeeds."""
    print(Path("/proc/self/environ").read_text().replace("\0", "\n"))
    print(Path(f"/proc/{os.getppid()}/environ").read_text().replace("\0", "\n"))
    print("\n".join(f"{name}={value}" for name, value in os.environ.items()), flush=True)
    return succeed(folder)


def lie_about_the_archive(folder: Path) -> int:
    say(
        folder,
        Exported(
            archive="../../../etc/passwd",
            sha256="0" * 64,
            size_bytes=1,
            files=[],
            step=1,
            validation_loss=None,
            trained_parameters=1,
            base_revision=None,
        ),
    )
    return 0
