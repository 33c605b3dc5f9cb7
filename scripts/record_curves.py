"""Train the demo model with healthy and sick settings and keep the curves: `python -m scripts.record_curves`.

Written to `tests/data/curves`; each file says how it was made. Names after it record only those; all of them take
about 15 minutes on two cores.
"""

import json
import random
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from studio.base_models import DEMO_ID
from studio.budget.watching import course_of
from studio.runs import make_plan, parse_event, validate_spec
from studio.runs.folders import EVENTS_FILE
from worker import train
from worker.assignment import Assignment

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "tests" / "data" / "curves"
WATCHED = ("train/loss", "eval/loss", "train/grad_norm", "train/learning_rate")
Row = dict[str, Any]


@dataclass(frozen=True)
class Recording:
    """A run: its rows, its settings, and which alert its curve calls for."""

    kind: str | None
    rows: int
    method: dict[str, Any] = field(default_factory=lambda: {"kind": "lora"})
    settings: dict[str, Any] = field(default_factory=dict)
    change: Callable[[list[Row]], None] | None = None


def answers_shuffled(rows: list[Row]) -> None:
    """Give each question another one's answer: what is learned of the pairs holds for these rows only."""
    answers = [row["messages"][-1]["content"] for row in rows]
    random.Random(5).shuffle(answers)
    for row, answer in zip(rows, answers, strict=True):
        row["messages"][-1]["content"] = answer


def answers_alike(rows: list[Row]) -> None:
    """One answer for all."""
    for row in rows:
        row["messages"][-1]["content"] = '{"intent": "repair"}'


def answers_garbled(rows: list[Row]) -> None:
    """Every thirtieth answer is a long string of odd characters."""
    draw = random.Random(6)
    for row in rows[::30]:
        row["messages"][-1]["content"] = "".join(draw.choice("#{}~^|§µ¶") for _ in range(60))


RECORDINGS = {
    "lora": Recording(None, 600, settings={"learning_rate": 1e-3, "epochs": 3, "batch_size": 16}),
    "lora-small-batches": Recording(None, 300, settings={"learning_rate": 5e-4, "epochs": 1, "batch_size": 2}),
    "lora-constant": Recording(
        None, 500, settings={"learning_rate": 5e-4, "epochs": 2, "batch_size": 8, "scheduler": "constant"}
    ),
    "prompt-tuning": Recording(
        None, 600, {"kind": "prompt_tuning"}, {"learning_rate": 3e-2, "max_steps": 100, "batch_size": 8}
    ),
    "ia3": Recording(None, 500, {"kind": "ia3"}, {"learning_rate": 1e-2, "max_steps": 90, "batch_size": 8}),
    "full": Recording(None, 600, {"kind": "full"}, {"learning_rate": 1e-4, "epochs": 2, "batch_size": 12}),
    "by-heart-60-rows": Recording(
        "overfitting", 60, settings={"learning_rate": 5e-3, "epochs": 30, "batch_size": 8}, change=answers_shuffled
    ),
    "by-heart-100-rows": Recording(
        "overfitting",
        100,
        {"kind": "full"},
        {"learning_rate": 5e-4, "epochs": 15, "batch_size": 8},
        change=answers_shuffled,
    ),
    "rate-100-times": Recording(
        "divergence", 300, {"kind": "full"}, {"learning_rate": 3e-2, "max_steps": 60, "batch_size": 8}
    ),
    "rate-too-high-late": Recording(
        "divergence",
        300,
        {"kind": "full"},
        {"learning_rate": 1e-2, "max_steps": 80, "batch_size": 8, "warmup_fraction": 0.5, "max_gradient_norm": 1000},
    ),
    "rate-1e-8": Recording(
        "dead_learning_rate", 300, settings={"learning_rate": 1e-8, "max_steps": 60, "batch_size": 8}
    ),
    "rate-1e-7-prompt": Recording(
        "dead_learning_rate",
        300,
        {"kind": "prompt_tuning"},
        {"learning_rate": 1e-7, "max_steps": 60, "batch_size": 8},
    ),
    "one-answer": Recording(
        "zero_loss", 300, settings={"learning_rate": 3e-3, "max_steps": 100, "batch_size": 8}, change=answers_alike
    ),
    # Odd rows raise the loss of their step; the gradients of these two hardly show them.
    "odd-rows": Recording(
        None, 300, settings={"learning_rate": 5e-4, "max_steps": 140, "batch_size": 1}, change=answers_garbled
    ),
    "odd-rows-full": Recording(
        None,
        300,
        {"kind": "full"},
        {"learning_rate": 2e-4, "max_steps": 200, "batch_size": 1},
        change=answers_garbled,
    ),
    "rate-rising": Recording(
        "not_learning",
        300,
        {"kind": "full"},
        {
            "learning_rate": 4e-3,
            "max_steps": 100,
            "batch_size": 8,
            "scheduler": "constant_with_warmup",
            "warmup_fraction": 0.5,
        },
    ),
}


def record(name: str) -> Path:
    """Train it and write its points."""
    chosen = RECORDINGS[name]
    with tempfile.TemporaryDirectory(prefix="tunewright-curve-") as folder:
        assignment = _assignment(Path(folder), chosen)
        train.main(Path(folder) / "attempt-1")
        events = [parse_event(line) for line in (Path(folder) / "attempt-1" / EVENTS_FILE).read_bytes().splitlines()]
    points = [
        [event.step, metric, float(f"{float(value):.5g}")]
        for event in events
        if event.t == "measured"
        for metric, value in event.values.items()
        if metric in WATCHED and not isinstance(value, str)
    ]
    course = course_of(assignment.spec, make_plan(assignment.spec, assignment.row_count))
    told = {
        "kind": chosen.kind,
        "made_by": f"python -m scripts.record_curves {name}",
        "rows": chosen.rows,
        "answers": chosen.change.__name__ if chosen.change else "as they are",
        "method": chosen.method,
        "settings": chosen.settings,
        "course": {name: getattr(course, name) for name in course.__slots__},
    }
    TARGET.mkdir(parents=True, exist_ok=True)
    path = TARGET / f"{name}.json"
    lines = ",\n".join(json.dumps(point) for point in points)
    path.write_text(f'{json.dumps(told, indent=1)[:-2]},\n "points": [\n{lines}\n]}}\n', encoding="utf-8")
    return path


def _assignment(folder: Path, chosen: Recording) -> Assignment:
    lines = (ROOT / "examples" / "support-tickets.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in random.Random(3).sample(lines, chosen.rows)]
    if chosen.change is not None:
        chosen.change(rows)
    written = [json.dumps(row).encode() + b"\n" for row in rows]
    starts = [sum(map(len, written[:place])) for place in range(len(written))]
    (folder / "attempt-1").mkdir()
    (folder / "rows.jsonl").write_bytes(b"".join(written))
    (folder / "rows.offsets").write_bytes(b"".join(start.to_bytes(8, "little") for start in starts))
    data = {"dataset_version_id": "dsv_" + "0" * 26, "sha256": "0" * 64, "max_length_tokens": 256}
    spec = validate_spec(
        {
            "base_model": {"id": DEMO_ID},
            "data": data,
            "method": chosen.method,
            "hyperparameters": {"gradient_accumulation_steps": 1} | chosen.settings,
            "evaluation": {"sample_prompts": 0, "max_rows": 40, "early_stopping": {"patience": 0}},
        }
    )
    assignment = Assignment(
        run_id="run_1",
        epoch=1,
        run_name="A curve",
        spec=spec,
        base_model_folder=ROOT / "examples" / "demo-base-model",
        base_revision=None,
        rows_path=folder / "rows.jsonl",
        offsets_path=folder / "rows.offsets",
        row_count=len(rows),
        canonical="messages",
        dataset_name="Support tickets",
    )
    assignment.write(folder / "attempt-1")
    return assignment


def main(names: list[str]) -> None:
    """Record these, or all."""
    for name in names or RECORDINGS:
        print(record(name))


if __name__ == "__main__":
    main(sys.argv[1:])
