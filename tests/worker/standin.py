"""Trainers that speak as the real one does and train nothing: the supervisor is given them as its target."""

import functools
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
import zipfile
from pathlib import Path

from studio.runs import checkpoint_folder, event_line, publish_folder
from studio.runs.events import Checkpointed, Exported, Failed, Measured, PhaseBegan, Progressed, Resumed, Tried
from studio.runs.folders import EVENTS_FILE
from worker.assignment import Assignment
from worker.gpu_lock import GpuBusy, hold_gpu
from worker.signals import EXIT_GPU_BUSY, EXIT_SAVED, FINISH, SAVE_AND_LEAVE


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


def try_out(folder: Path) -> int:
    """A trial with a short report."""
    say(folder, PhaseBegan(phase="training"), Tried(report={"step_seconds": 0.5}))
    return 0


def export(folder: Path, assignment: Assignment, step: int = 3) -> None:
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
            step=step,
            validation_loss=1.5,
            trained_parameters=1000,
            base_revision=assignment.base_revision,
        ),
    )


def train(folder: Path, *, steps: int, step_seconds: float = 0.02, save_seconds: float = 0.0) -> int:
    """Makes `steps` steps, follows every signal, saves as it is assigned and resumes from what it saved."""
    heard: set[int] = set()
    for number in (SAVE_AND_LEAVE, FINISH):
        signal.signal(number, lambda number, _: heard.add(number))
    assignment = Assignment.read(folder)
    try:
        with hold_gpu(assignment.gpu, wait_seconds=0):
            return _train(folder, assignment, heard, steps, step_seconds, save_seconds)
    except GpuBusy:
        return EXIT_GPU_BUSY


def _train(
    folder: Path, assignment: Assignment, heard: set[int], steps: int, step_seconds: float, save_seconds: float
) -> int:
    step = saved = _resume(folder, assignment)
    if assignment.keep_only:
        export(folder, assignment, step)
        return 0
    say(folder, PhaseBegan(phase="training"))
    while step < steps and FINISH not in heard:
        time.sleep(step_seconds)
        step += 1
        say(
            folder,
            Measured(step=step, values={"train/loss": loss_at(step)}),
            Progressed(step=step, total_steps=steps),
        )
        if SAVE_AND_LEAVE in heard:
            time.sleep(save_seconds)
            save(folder, assignment, step)
            return EXIT_SAVED
        if step - saved >= assignment.checkpoint_steps:
            save(folder, assignment, step)
            saved = step
    export(folder, assignment, step)
    return 0


def loss_at(step: int) -> float:
    """What this trainer measures at a step, in every attempt."""
    return 1 / step


def save(folder: Path, assignment: Assignment, step: int) -> None:
    """Publish a checkpoint as the real trainer does."""
    final = checkpoint_folder(folder.parent.parent, assignment.run_id, assignment.epoch, step)
    temporary = final.parent / f"tmp-{uuid.uuid4().hex}"
    temporary.mkdir(parents=True)
    (temporary / "state.json").write_text(json.dumps({"step": step}))
    sha256, size_bytes = publish_folder(temporary, final, {"step": step})
    say(folder, Checkpointed(step=step, manifest_sha256=sha256, size_bytes=size_bytes))


def _resume(folder: Path, assignment: Assignment) -> int:
    if assignment.checkpoint is None:
        return 0
    step = int(json.loads((assignment.checkpoint / "state.json").read_text())["step"])
    say(folder, Resumed(step=step))
    return step


steady = functools.partial(train, steps=1_000_000)
slow_to_save = functools.partial(train, steps=1_000_000, save_seconds=600)
thirty_steps = functools.partial(train, steps=30)
a_hundred_steps = functools.partial(train, steps=100)
three_hundred_steps = functools.partial(train, steps=300)


def hang(folder: Path) -> int:
    """Makes a few steps and a checkpoint, then gives no sign of life, deaf to everything but SIGKILL."""
    assignment = Assignment.read(folder)
    first = _resume(folder, assignment)
    say(folder, PhaseBegan(phase="training"), Progressed(step=first + 1, total_steps=100))
    save(folder, assignment, first + 1)
    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    time.sleep(600)
    return 0


def die_after_each_checkpoint(folder: Path) -> int:
    """Makes ten steps and a checkpoint, then dies; so it goes on until step 50, where it succeeds."""
    assignment = Assignment.read(folder)
    first = _resume(folder, assignment)
    say(folder, PhaseBegan(phase="training"))
    for step in range(first + 1, first + 11):
        say(folder, Measured(step=step, values={"train/loss": loss_at(step)}), Progressed(step=step, total_steps=50))
    save(folder, assignment, first + 10)
    if first + 10 < 50:
        say(folder, Measured(step=first + 11, values={"train/loss": -1.0}))
        os.kill(os.getpid(), signal.SIGKILL)
    export(folder, assignment, 50)
    return 0


def find_the_gpu_busy(folder: Path) -> int:
    return EXIT_GPU_BUSY


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
