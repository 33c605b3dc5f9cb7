"""Runs with random caps: each ends in time, and each leaves an adapter that plain peft loads.

`python -m benchmarks.caps` plays 3 runs and keeps nothing; `--full` plays 30 (about 12 minutes) and writes the result.
Every run is the demo model under a supervisor with a real trainer; every third one is killed in its middle. Goal: all
of them end within one step or 2 % of their cap, and all adapters load.
"""

import logging
import os
import random
import signal
import struct
import sys
import tempfile
import threading
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peft import PeftModel
from transformers import AutoModelForCausalLM

from benchmarks._studio import ROOT, write_result
from studio import adapters, base_models, runs, spending
from studio.actors import LOCAL_ACTOR
from studio.datasets import Dataset, DatasetVersion, Split
from studio.db import make_engine, make_session_factory, reading, transaction
from studio.queue import SilentQueue
from studio.runs import Run, validate_spec
from studio.settings import Settings
from studio.storage import LocalStorage, sha256_of
from studio.tables import metadata
from studio.wire import Wire
from worker.bench import Bench
from worker.main import _train
from worker.start import ForkedChild, Forkserver, Target
from worker.supervise import supervise

ROWS = ROOT / "examples" / "support-tickets.jsonl"
FULL, SMALL = 30, 3
SHARE = 0.02
# A dollar for 100 seconds, so that caps in dollars are as near as those in hours.
DOLLARS_PER_HOUR = 36.0
SHORTEST, LONGEST = 15.0, 35.0
METHODS = ("lora", "qlora", "dora", "ia3", "prompt_tuning")


@dataclass(frozen=True, slots=True)
class Figure:
    """How one run kept its cap."""

    method: str
    cap: str
    is_killed: bool
    cap_seconds: float
    took_seconds: float
    step_seconds: float
    evaluation_seconds: float
    steps: int
    stopped_by: str | None
    loads: bool

    @property
    def over_seconds(self) -> float:
        """Beyond the cap; negative within it."""
        return self.took_seconds - self.cap_seconds

    @property
    def is_close(self) -> bool:
        """Whether it ended within one step or 2 % of the cap, stopped by it, with an adapter: the goal."""
        slack = max(self.step_seconds, SHARE * self.cap_seconds)
        return abs(self.over_seconds) <= slack and self.stopped_by == self.cap and self.loads


class Killing(Forkserver):
    """A forkserver whose next trainer can be sentenced to die."""

    def __init__(self) -> None:
        super().__init__()
        self.kill_after: float | None = None

    def start(self, target: Target, folder: Path, *, gpu: str | None = None) -> ForkedChild:
        """As usual; a trainer that was sentenced is killed once."""
        child = super().start(target, folder, gpu=gpu)
        if self.kill_after is not None:
            threading.Timer(self.kill_after, os.kill, [child.pid, signal.SIGKILL]).start()
            self.kill_after = None
        return child


def main(words: list[str]) -> None:
    """Play, print the table, and exit with 1 when a cap was not kept."""
    logging.basicConfig(level=logging.WARNING)
    count = FULL if "--full" in words else SMALL
    dice = random.Random(20_261_122)
    with tempfile.TemporaryDirectory(prefix="tw-caps-") as folder:
        bench = make_bench(Path(folder))
        version_id = add_rows(bench)
        figures = [play(bench, version_id, dice, number) for number in range(count)]
    close = sum(figure.is_close for figure in figures)
    print(f"{close} of {count} within one step or {SHARE:.0%} of the cap, with an adapter that loads")
    if "--full" in words:
        shown = [{**_plain(figure), "is_close": figure.is_close} for figure in figures]
        write_result("caps", {"close": close, "of": count, "goal": count, "runs": shown})
    sys.exit(close != count)


def make_bench(folder: Path) -> Bench:
    """A worker's bench on SQLite, with a warm forkserver and a price for the CPU."""
    settings = Settings(data_dir=folder / "data", checkpoint_steps=50)
    settings.data_dir.mkdir(parents=True)
    engine = make_engine(f"sqlite:///{folder / 'caps.sqlite'}")
    metadata.create_all(engine)
    session_factory = make_session_factory(engine)
    with transaction(session_factory) as session:
        spending.set_price(session, LOCAL_ACTOR, "cpu", dollars_per_hour=DOLLARS_PER_HOUR)
    forkserver = Killing()
    forkserver.warm_up(folder / "logs")
    return Bench(
        settings=settings,
        session_factory=session_factory,
        storage=LocalStorage(settings.storage_dir),
        wire=Wire(f"unix://{folder}/nobody.sock"),
        forkserver=forkserver,
        train=_train,
        queue=SilentQueue(),
        owner="caps",
        download_environ=dict(os.environ),
    )


def add_rows(bench: Bench) -> str:
    """Store the example dataset; returns the id of its version."""
    lines = ROWS.read_bytes().splitlines(keepends=True)
    starts = [sum(map(len, lines[:position])) for position in range(len(lines))]
    folder = bench.settings.data_dir
    (folder / "rows").write_bytes(b"".join(lines))
    (folder / "offsets").write_bytes(struct.pack(f"<{len(starts)}Q", *starts))
    sha256, size = sha256_of(folder / "rows"), (folder / "rows").stat().st_size
    version = DatasetVersion(
        owner_id=LOCAL_ACTOR.id,
        number=1,
        file_name=ROWS.name,
        file_format="jsonl",
        file_size_bytes=size,
        original_sha256=sha256,
        shape="messages",
        canonical="messages",
        sha256=sha256,
        size_bytes=size,
        row_count=len(lines),
        split=Split().model_dump(),
    )
    bench.storage.put(folder / "rows", version.rows_key)
    bench.storage.put(folder / "offsets", version.offsets_key)
    with transaction(bench.session_factory) as session:
        session.add(Dataset(owner_id=LOCAL_ACTOR.id, name="Support tickets", versions=[version]))
    return version.id


def play(bench: Bench, version_id: str, dice: random.Random, number: int) -> Figure:
    """One run under a random cap, in hours or dollars; every third one is killed in its middle."""
    seconds = dice.uniform(SHORTEST, LONGEST)
    by = dice.choice(("max_hours", "max_dollars"))
    method = METHODS[number % len(METHODS)]
    is_killed = number % 3 == 2
    amount = seconds / 3600 * (DOLLARS_PER_HOUR if by == "max_dollars" else 1)
    run = launch(bench, version_id, method, {by: amount}, every_steps=dice.randint(20, 200))
    assert isinstance(bench.forkserver, Killing)
    bench.forkserver.kill_after = dice.uniform(0.3, 0.8) * seconds if is_killed else None
    while not run.is_over:
        with transaction(bench.session_factory) as session:
            lease = runs.claim_next(session, bench.owner)
        if lease is None:
            time.sleep(0.1)
        else:
            supervise(bench, lease)
        run = read(bench, run.id)
    figure = figure_of(bench, run, by, seconds, is_killed=is_killed)
    print({**_plain(figure), "is_close": figure.is_close}, flush=True)
    return figure


def launch(bench: Bench, version_id: str, method: str, budget: dict[str, float], *, every_steps: int) -> Run:
    """Queue a run that would go on for hours."""
    with transaction(bench.session_factory) as session:
        version = session.get_one(DatasetVersion, version_id)
        spec: dict[str, Any] = {
            "data": {"dataset_version_id": version.id, "sha256": version.sha256, "max_length_tokens": 128},
            "method": {"kind": method},
            "hyperparameters": {"max_steps": 100_000, "batch_size": 4, "gradient_accumulation_steps": 1},
            "evaluation": {"every_steps": every_steps, "max_rows": 20, "early_stopping": {"patience": 0}},
            "budget": budget,
        }
        found = validate_spec(spec)
        return runs.launch(session, LOCAL_ACTOR, found, queue=SilentQueue(), settings=bench.settings)


def read(bench: Bench, run_id: str) -> Run:
    """The run's row as it is now."""
    with reading(bench.session_factory) as session:
        return session.get_one(Run, run_id)


def figure_of(bench: Bench, run: Run, by: str, seconds: float, *, is_killed: bool) -> Figure:
    """What the run took by its stints, which are what is paid."""
    with reading(bench.session_factory) as session:
        took = spending.spent(session, run).seconds
        adapter = adapters.adapter_of_run(session, run)
    pace = run.resolved.get("pace", {})
    each = pace.get("seconds_each", {})
    return Figure(
        method=run.method,
        cap=by,
        is_killed=is_killed,
        cap_seconds=seconds,
        took_seconds=took,
        step_seconds=pace.get("mean_step_seconds", 0.0),
        evaluation_seconds=each.get("validation", 0.0) + each.get("answers", 0.0),
        steps=run.step,
        stopped_by=run.stopped_by,
        loads=adapter is not None and loads(bench, adapter.storage_key),
    )


def loads(bench: Bench, key: str) -> bool:
    """Whether plain transformers and peft load the adapter and compute a finite answer with it."""
    folder = base_models.model_folder(base_models.DEMO_ID, bench.settings.models_root)
    with tempfile.TemporaryDirectory() as unpacked:
        with zipfile.ZipFile(bench.storage.path(key)) as archive:
            archive.extractall(unpacked)
        model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(folder), unpacked).eval()
    logits = model(input_ids=model.base_model.dummy_inputs["input_ids"]).logits
    return bool(logits.isfinite().all())


def _plain(figure: Figure) -> dict[str, Any]:
    found = {name: getattr(figure, name) for name in Figure.__slots__}
    rounded = {name: round(value, 3) if isinstance(value, float) else value for name, value in found.items()}
    return {**rounded, "over_seconds": round(figure.over_seconds, 3)}


if __name__ == "__main__":
    main(sys.argv[1:])
