"""The main job without a browser: upload, launch, watch, download, and try the adapter in plain transformers + peft."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from studio.demo_client import Client, check_url
from studio.errors import StudioError
from studio.local import check_worker_packages
from studio.progress import Progress, Say
from studio.runs import get_recipe
from studio.runs.status import TERMINAL

ARCHIVE = Path("demo-adapter.zip")
HELD_OUT_ROWS = 100
POLL_SECONDS = 0.5
# The run takes about 3 minutes on two cores; a machine that needs this long has another problem.
LONGEST_RUN_SECONDS = 1800


class DemoFailed(StudioError):
    """A step of the demo did not do what it should."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What the demo shows."""

    seconds: float
    loss_before: float
    loss_after: float
    matches_before: int
    matches_after: int
    rows: int

    def __str__(self) -> str:
        fallen = 1 - self.loss_after / self.loss_before
        return "\n".join(
            [
                f"Training      {self.seconds:.0f} s from launch to adapter",
                f"Validation    loss {self.loss_before:.3f} -> {self.loss_after:.3f} ({fallen:.0%} lower)",
                f"Exact match   {self.matches_before} -> {self.matches_after} of {self.rows} held-out rows",
            ]
        )


def run_demo(url: str | None, *, say: Say, target: Path = ARCHIVE) -> Figures:
    """Do it all and leave the adapter at `target`; raises StudioError with a sentence when any part fails."""
    check_worker_packages()
    with contextlib.ExitStack() as stack:
        address = check_url(url) if url else stack.enter_context(_own_studio(say))
        examples = stack.enter_context(as_file(files("examples")))
        client = Client(address)
        dataset = client.upload("/api/datasets", examples / "support-tickets.jsonl")
        say(f"Uploaded {dataset['latest']['row_count']} support tickets.")
        begun = time.monotonic()
        run = _watch(client, launch(client, dataset), say)
        seconds = time.monotonic() - begun
        _download(client, run["adapter_id"], target)
        say(f"Downloaded the adapter to {target.resolve()}; its SHA-256 is right.")
        rows = client.get(f"/api/datasets/{dataset['id']}/rows?split=test&limit={HELD_OUT_ROWS}")["rows"]
        matches = _try(examples, target, rows, say)
    figures = Figures(
        seconds,
        run["initial_validation_loss"],
        run["best_validation_loss"],
        matches["before"],
        matches["after"],
        len(rows),
    )
    say(f"\n{figures}")
    judge(figures)
    return figures


def launch(client: Client, dataset: dict[str, Any]) -> str:
    """Launch the demo recipe on an uploaded dataset; returns the run's id."""
    recipe = get_recipe("demo")
    if recipe is None:
        raise DemoFailed("The recipe named demo is missing from studio.runs.recipes.")
    version = dataset["latest"]
    pinned = {"dataset_version_id": version["id"], "sha256": version["sha256"]}
    spec = {**recipe.parts, "data": {**recipe.parts["data"], **pinned}}
    run_id: str = client.post("/api/runs", {"name": "Demo: support tickets to JSON", "spec": spec})["id"]
    return run_id


def _watch(client: Client, run_id: str, say: Say) -> dict[str, Any]:
    """Show progress until the run has its adapter; raises DemoFailed when it ends otherwise."""
    deadline = time.monotonic() + LONGEST_RUN_SECONDS
    with Progress(say) as progress:
        while time.monotonic() < deadline:
            run: dict[str, Any] = client.get(f"/api/runs/{run_id}")
            progress.show(run)
            if run["status"] in TERMINAL:
                break
            time.sleep(POLL_SECONDS)
        else:
            raise DemoFailed(f"The run did not end within {LONGEST_RUN_SECONDS // 60} minutes.")
    if run["status"] != "succeeded" or not run["adapter_id"]:
        log = client.text(f"/api/runs/{run_id}/log").strip().splitlines()[-5:]
        told = " ".join([run["failure_sentence"], run["failure_reason"]]).strip() or f"It is {run['status']}."
        raise DemoFailed("\n".join([f"The run made no adapter. {told}", *log]))
    return run


def _download(client: Client, adapter_id: str, target: Path) -> None:
    expected = client.get(f"/api/adapters/{adapter_id}")["sha256"]
    found = client.download(f"/api/adapters/{adapter_id}/archive", target)
    if found != expected:
        raise DemoFailed(f"The downloaded adapter has SHA-256 {found}, and the studio says {expected}.")


def _try(examples: Path, archive: Path, rows: list[dict[str, Any]], say: Say) -> dict[str, int]:
    """Load base and adapter in a process of its own that knows nothing of the studio."""
    say("Loading base model and adapter with plain transformers and peft ...")
    with tempfile.TemporaryDirectory(prefix="tunewright-") as folder:
        rows_file, report = Path(folder) / "rows.jsonl", Path(folder) / "report.json"
        rows_file.write_text("".join(json.dumps(row["row"]) + "\n" for row in rows), encoding="utf-8")
        command = [sys.executable, "-P", str(examples / "try_adapter.py")]
        command += ["--base", str(examples / "demo-base-model"), "--adapter", str(archive)]
        command += ["--rows", str(rows_file), "--report", str(report)]
        tried = subprocess.run(command, check=False, capture_output=True, text=True)
        if tried.returncode != 0:
            raise DemoFailed(f"The adapter could not be tried:\n{tried.stderr.strip()[-2000:]}")
        say(tried.stdout.rstrip())
        matches: dict[str, int] = json.loads(report.read_text(encoding="utf-8"))
    return matches


def judge(figures: Figures) -> None:
    """Raise DemoFailed unless both figures became better."""
    if figures.loss_after >= figures.loss_before or figures.matches_after <= figures.matches_before:
        raise DemoFailed("The adapter is not better than the base model, so the demo counts as failed.")


@contextlib.contextmanager
def _own_studio(say: Say) -> Iterator[str]:
    """A studio on its embedded default in a temporary folder; yields its address."""
    with tempfile.TemporaryDirectory(prefix="tunewright-demo-") as folder:
        plain = {name: value for name, value in os.environ.items() if not name.startswith("TUNEWRIGHT_")}
        with subprocess.Popen(
            [sys.executable, "-P", "-m", "studio.cli", "up"],
            env={**plain, "TUNEWRIGHT_DATA_DIR": f"{folder}/data", "TUNEWRIGHT_PORT": "0"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # Ctrl-C reaches the demo alone, which then stops the studio in order.
            start_new_session=True,
        ) as process:
            try:
                address = _address(process)
                say(f"The studio runs at {address}; look on if you like.")
                yield address
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(timeout=60)


def _address(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        for word in line.split():
            if word.startswith("http://"):
                return word
    raise DemoFailed("The studio did not start. " + "".join(said).strip())
