"""The memory model beside runs of the demo model on a CPU: `python -m benchmarks.memory_cpu`, two minutes when idle."""

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks._studio import ROOT, write_result
from studio.base_models import config_of, demo_folder
from studio.budget.hardware import find_hardware
from studio.budget.memory import memory_of
from studio.budget.shapes import shape_of
from studio.runs import RunSpec, validate_spec

# Method, rows per pass, tokens of the longest row, checkpointing.
CELLS: list[tuple[dict[str, Any], int, int, bool]] = [
    ({"kind": "lora"}, 4, 256, False),
    ({"kind": "lora"}, 16, 512, False),
    ({"kind": "lora", "dropout": 0}, 16, 512, False),
    ({"kind": "lora"}, 16, 512, True),
    ({"kind": "qlora"}, 16, 512, False),
    ({"kind": "dora"}, 16, 512, False),
    ({"kind": "ia3"}, 16, 512, False),
    ({"kind": "full"}, 16, 512, False),
]
_ROWS = 64
_MIB = 1 << 20


def main() -> None:
    """Run each cell in a process of its own, print the table and write it."""
    cells = [_measure(number) for number in range(len(CELLS))]
    errors = [cell["error"] for cell in cells]
    mean = round(sum(map(abs, errors)) / len(errors), 3)
    write_result("memory_cpu", {"mean_absolute_error": mean, "lowest_error": min(errors), "cells": cells})


def _measure(number: int) -> dict[str, Any]:
    method, batch, tokens, checkpointing = CELLS[number]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.memory_cpu", str(number)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    measured = json.loads(done.stdout.splitlines()[-1])["peak_bytes"]
    cpu = find_hardware("CPU", cores=2)
    shape = shape_of(config_of("demo", None) or {})
    if cpu is None:
        raise ValueError("The catalogue has no CPU.")
    estimated = memory_of(_spec(number), shape, cpu, tokens).total
    name = f"{method}, {batch} x {tokens}{', checkpointing' if checkpointing else ''}"
    error = round(estimated / measured - 1, 3)
    print(f"{name:60} measured {measured // _MIB:6} MiB estimated {estimated // _MIB:6} MiB {error:+7.1%}", flush=True)
    return {"cell": name, "measured_mib": measured // _MIB, "estimated_mib": estimated // _MIB, "error": error}


def _spec(number: int) -> RunSpec:
    method, batch, tokens, checkpointing = CELLS[number]
    return validate_spec(
        {
            "data": {"dataset_version_id": "dsv_" + "0" * 26, "sha256": "0" * 64, "max_length_tokens": tokens},
            "method": method,
            "hyperparameters": {
                "batch_size": batch,
                "gradient_accumulation_steps": 1,
                "max_steps": 2,
                "gradient_checkpointing": checkpointing,
            },
            "evaluation": {"every_steps": 2, "max_rows": 4, "sample_prompts": 0},
        }
    )


def _train(number: int) -> None:
    """Two steps on rows that are all cut at the longest; the peak of the process is printed last."""
    from worker import train
    from worker.assignment import Assignment

    text = " ".join(f"order {row} is late and the parcel was lost" for row in range(200))
    lines = [json.dumps({"text": f"{row} {text}"}).encode() + b"\n" for row in range(_ROWS)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "rows.jsonl").write_bytes(b"".join(lines))
        starts = [sum(map(len, lines[:row])) for row in range(_ROWS)]
        (folder / "rows.offsets").write_bytes(b"".join(start.to_bytes(8, "little") for start in starts))
        attempt = folder / "attempt-1"
        attempt.mkdir()
        Assignment(
            run_id="run_1",
            epoch=1,
            run_name="Memory",
            spec=_spec(number),
            base_model_folder=demo_folder(),
            base_revision=None,
            rows_path=folder / "rows.jsonl",
            offsets_path=folder / "rows.offsets",
            row_count=_ROWS,
            canonical="text",
            dataset_name="Late orders",
            checkpoint_steps=100,
        ).write(attempt)
        if train.main(attempt) != 0:
            raise SystemExit(1)
    print(json.dumps({"peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        _train(int(sys.argv[1]))
    else:
        main()
