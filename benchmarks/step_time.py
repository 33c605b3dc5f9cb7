"""Step time of the studio's trainer against the same settings in a bare TRL script: goal, a ratio of at most 1.02.

    python benchmarks/step_time.py [--steps 20] [--base-model FOLDER]

Both train QLoRA on the demo model with the same token ids, in turns, each in a process of its own.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULT = Path(__file__).with_name("results") / "step_time.json"
ROWS = ROOT / "examples" / "support-tickets.jsonl"
WARM_UP_STEPS = 3
ROUNDS = 2
BATCH_SIZE = 16
MAX_LENGTH = 256
LEARNING_RATE = 3e-3


def main() -> None:
    """Measure both in turns, print the result and keep it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--base-model", type=Path, default=ROOT / "examples" / "demo-base-model")
    parser.add_argument("--arm", choices=["studio", "bare"])
    options = parser.parse_args()
    if options.arm:
        arm = {"studio": time_studio, "bare": time_bare}[options.arm]
        print(json.dumps(arm(options.base_model, options.steps)))
        return
    found: dict[str, list[float]] = {"studio": [], "bare": []}
    for _ in range(ROUNDS):
        for name, seconds in found.items():
            seconds += _run(name, options.base_model, options.steps)
    result = _result(found, options.steps)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


def time_studio(base: Path, steps: int) -> list[float]:
    """Seconds of each step through `worker.train`, telemetry on, from the times its events were written."""
    from studio.runs.events import Progressed
    from worker import train
    from worker.event_log import EventLog
    from worker.leaving import Orders

    times: list[float] = []

    class Timed(EventLog):
        def emit(self, *events: Any) -> None:
            super().emit(*events)
            if any(isinstance(event, Progressed) for event in events):
                times.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "attempt-1"
        folder.mkdir()
        assignment = _assignment(folder, base, steps)
        with Orders() as orders, Timed(folder / "events.jsonl") as events:
            train.train(assignment, folder, events, orders)
    return [after - before for before, after in pairwise(times)]


def time_bare(base: Path, steps: int) -> list[float]:
    """Seconds of each step in what a user of TRL would write for the same run."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    from worker.data import prepare_data
    from worker.model import load_tokenizer
    from worker.prepared import open_rows

    times: list[float] = []

    class Clock(TrainerCallback):
        def on_log(self, *_: Any, **__: Any) -> None:
            times.append(time.perf_counter())

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    with tempfile.TemporaryDirectory() as name:
        assignment = _assignment(Path(name), base, steps)
        tokenizer = load_tokenizer(base)
        rows = open_rows(Path(name), lambda: prepare_data(assignment, tokenizer, MAX_LENGTH), None)
        quantized = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.float32,
        )
        model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, quantization_config=quantized)
        lora = LoraConfig(r=16, lora_alpha=32, lora_dropout=0.05, target_modules="all-linear", task_type="CAUSAL_LM")
        config = SFTConfig(
            output_dir=name,
            max_steps=steps,
            per_device_train_batch_size=BATCH_SIZE,
            learning_rate=LEARNING_RATE,
            lr_scheduler_type="cosine",
            gradient_checkpointing=False,
            bf16=False,
            use_cpu=not torch.cuda.is_available(),
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            max_length=None,
            dataset_kwargs={"skip_prepare_dataset": True},
            seed=17,
        )
        trainer = SFTTrainer(
            model=get_peft_model(model, lora),
            args=config,
            train_dataset=rows.train,
            processing_class=tokenizer,
            callbacks=[Clock()],
        )
        trainer.train()
    # The last log is the summary of the run.
    return [after - before for before, after in pairwise(times[:steps])]


def _run(arm: str, base: Path, steps: int) -> list[float]:
    command = [sys.executable, __file__, "--arm", arm, "--steps", str(steps), "--base-model", str(base)]
    output = subprocess.run(command, cwd=ROOT, env=_environment(), check=True, stdout=subprocess.PIPE, text=True)
    return list(json.loads(output.stdout.splitlines()[-1])[WARM_UP_STEPS:])


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}


def _assignment(folder: Path, base: Path, steps: int) -> Any:
    from studio.runs import validate_spec
    from worker.assignment import Assignment

    lines = ROWS.read_bytes().splitlines(keepends=True)
    starts, position = [], 0
    for line in lines:
        starts.append(position.to_bytes(8, "little"))
        position += len(line)
    (folder / "rows.offsets").write_bytes(b"".join(starts))
    spec = {
        "data": {"dataset_version_id": "dsv_" + "0" * 26, "sha256": "0" * 64, "max_length_tokens": MAX_LENGTH},
        "method": {"kind": "qlora"},
        "hyperparameters": {
            "learning_rate": LEARNING_RATE,
            "max_steps": steps,
            "batch_size": BATCH_SIZE,
            "gradient_accumulation_steps": 1,
        },
        # Only steps are compared: the evaluations come after the last one.
        "evaluation": {"every_steps": steps, "sample_prompts": 0, "max_rows": 1},
    }
    return Assignment(
        run_id="run_1",
        epoch=1,
        run_name="step time",
        spec=validate_spec(spec),
        base_model_folder=base,
        base_revision=None,
        rows_path=ROWS,
        offsets_path=folder / "rows.offsets",
        row_count=len(lines),
        canonical="messages",
        dataset_name="support tickets",
    )


def _result(found: dict[str, list[float]], steps: int) -> dict[str, Any]:
    medians = {name: statistics.median(seconds) for name, seconds in found.items()}
    packages = ("torch", "transformers", "peft", "trl", "bitsandbytes")
    return {
        "benchmark": "step time, studio against bare TRL, QLoRA on the demo model",
        "goal": "ratio <= 1.02",
        "ratio": round(medians["studio"] / medians["bare"], 4),
        "median_seconds": {name: round(median, 4) for name, median in medians.items()},
        "interquartile_seconds": {name: _interquartile(seconds) for name, seconds in found.items()},
        "steps": steps,
        "rounds": ROUNDS,
        "load_average": os.getloadavg()[0],
        "machine": {"cores": len(os.sched_getaffinity(0)), "architecture": platform.machine()},
        "versions": {"python": platform.python_version(), **{name: metadata.version(name) for name in packages}},
        "commit": subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
        ).stdout.strip(),
    }


def _interquartile(seconds: list[float]) -> list[float]:
    low, _, high = statistics.quantiles(seconds, n=4)
    return [round(low, 4), round(high, 4)]


if __name__ == "__main__":
    main()
