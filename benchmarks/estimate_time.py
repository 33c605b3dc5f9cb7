"""Estimated against measured time of runs on the demo model: goal, after one calibrating run 11 of 12 within 20 %.

    python benchmarks/estimate_time.py [--only 3]

One studio with a real worker. The tokens are counted, one run calibrates, all twelve are estimated, then each is run
and the time that it held the worker is read from its stint. Wants quiet cores: about 5 minutes on two.
"""

import argparse
import os
import statistics
import time
from typing import Any

from benchmarks._studio import ROOT, RunningStudio, await_end, running_studio, write_result
from studio.demo_client import Client

CALIBRATING = {"method": {"kind": "lora"}, "hyperparameters": {"batch_size": 8, "max_steps": 24}}
# Method, batch, length, checkpointing, accumulation and evaluation all differ; each takes 5 to 20 s on two cores.
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "LoRA, batch 16": {"method": {"kind": "lora"}, "hyperparameters": {"batch_size": 16, "max_steps": 36}},
    "QLoRA, 2 x 8": {
        "method": {"kind": "qlora"},
        "hyperparameters": {"batch_size": 8, "gradient_accumulation_steps": 2, "max_steps": 30},
    },
    "DoRA, batch 8": {"method": {"kind": "dora"}, "hyperparameters": {"batch_size": 8, "max_steps": 40}},
    "IA3, batch 16": {"method": {"kind": "ia3"}, "hyperparameters": {"batch_size": 16, "max_steps": 50}},
    "prompt tuning, batch 8": {
        "method": {"kind": "prompt_tuning"},
        "hyperparameters": {"batch_size": 8, "max_steps": 60},
        "evaluation": {"sample_prompts": 2},
    },
    "full, 2 x 8": {
        "method": {"kind": "full"},
        "hyperparameters": {"batch_size": 8, "gradient_accumulation_steps": 2, "max_steps": 30},
    },
    "LoRA rank 64, 4 x 4": {
        "method": {"kind": "lora", "rank": 64},
        "hyperparameters": {"batch_size": 4, "gradient_accumulation_steps": 4, "max_steps": 24},
    },
    "LoRA, rows of at most 96 tokens": {
        "method": {"kind": "lora"},
        "hyperparameters": {"batch_size": 16, "max_steps": 50},
        "data": {"max_length_tokens": 96},
    },
    "LoRA, gradient checkpointing": {
        "method": {"kind": "lora"},
        "hyperparameters": {"batch_size": 8, "max_steps": 40, "gradient_checkpointing": True},
    },
    "LoRA, 8 x 1": {
        "method": {"kind": "lora"},
        "hyperparameters": {"batch_size": 1, "gradient_accumulation_steps": 8, "max_steps": 36},
    },
    "QLoRA, many evaluations": {
        "method": {"kind": "qlora"},
        "hyperparameters": {"batch_size": 8, "max_steps": 20},
        "evaluation": {"every_steps": 2, "max_rows": 120, "sample_prompts": 8, "sample_tokens": 32},
    },
    "IA3 over 4 bits, a fifth of an epoch": {
        "method": {"kind": "ia3", "base_bits": 4},
        "hyperparameters": {"batch_size": 4, "epochs": 0.2},
        "evaluation": {"sample_prompts": 0},
    },
}
WITHIN, WANTED = 0.20, 11


def main() -> None:
    """Calibrate, estimate, run, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", type=int, default=len(CONFIGURATIONS), help="how many configurations to run")
    chosen = dict(list(CONFIGURATIONS.items())[: parser.parse_args().only])
    with running_studio() as studio:
        client = Client(studio.url)
        studio.await_worker()
        dataset = client.upload("/api/datasets", ROOT / "examples" / "support-tickets.jsonl")
        base = _base(client, dataset)
        before = _estimate(client, base, CALIBRATING)
        first = _run(client, studio, base, CALIBRATING)
        estimates = {name: _estimate(client, base, parts) for name, parts in chosen.items()}
        calibrating = _line("calibrating run, from the model alone", before, first)
        lines = [_line(name, estimates[name], _run(client, studio, base, parts)) for name, parts in chosen.items()]
    _tell(calibrating, lines)


def _base(client: Client, dataset: dict[str, Any]) -> dict[str, Any]:
    """The part of a spec that all share; the tokens of the rows are counted first."""
    version = dataset["versions"][-1]
    path = f"/api/datasets/{dataset['id']}/profile"
    deadline = time.monotonic() + 120
    while client.post(path, {"base_model": "demo"})["status"] != "done":
        if time.monotonic() > deadline:
            raise TimeoutError("the tokens were not counted")
        time.sleep(0.2)
    return {"data": {"dataset_version_id": version["id"], "sha256": version["sha256"], "max_length_tokens": 256}}


def _spec(base: dict[str, Any], parts: dict[str, Any]) -> dict[str, Any]:
    spec = {**parts, "data": base["data"] | parts.get("data", {})}
    spec["hyperparameters"] = {"gradient_accumulation_steps": 1} | parts["hyperparameters"]
    # A run that ends early would take less than was estimated for all its steps.
    spec["evaluation"] = parts.get("evaluation", {}) | {"early_stopping": {"patience": 0}}
    return spec


def _estimate(client: Client, base: dict[str, Any], parts: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = client.post("/api/runs/estimate", {"spec": _spec(base, parts)})["estimate"]
    return found


def _run(client: Client, studio: RunningStudio, base: dict[str, Any], parts: dict[str, Any]) -> tuple[float, float]:
    """Seconds that the worker was held, and the load of the machine meanwhile."""
    run = await_end(client, client.post("/api/runs", {"spec": _spec(base, parts)})["id"])
    return studio.held_seconds(run["id"]), os.getloadavg()[0]


def _line(name: str, estimate: dict[str, Any], run: tuple[float, float]) -> dict[str, Any]:
    seconds, load = run
    likely = estimate["seconds"]["likely"]
    print(f"{name:40s} {likely:7.2f} s estimated {seconds:7.2f} s measured {likely / seconds - 1:+7.1%}", flush=True)
    return {
        "configuration": name,
        "estimated_seconds": round(likely, 2),
        "range_seconds": [round(estimate["seconds"]["low"], 1), round(estimate["seconds"]["high"], 1)],
        "measured_seconds": round(seconds, 2),
        "error": round(likely / seconds - 1, 3),
        "source": estimate["source"],
        "load_average": round(load, 2),
    }


def _tell(calibrating: dict[str, Any], lines: list[dict[str, Any]]) -> None:
    figures = {
        "goal": f"at least {WANTED} of {len(CONFIGURATIONS)} within {WITHIN:.0%}",
        "within": sum(abs(line["error"]) <= WITHIN for line in lines),
        "configurations": len(lines),
        "inside_the_range": sum(
            line["range_seconds"][0] <= line["measured_seconds"] <= line["range_seconds"][1] for line in lines
        ),
        "mean_absolute_error": round(statistics.fmean(abs(line["error"]) for line in lines), 3),
        "calibrating": calibrating,
        "lines": lines,
    }
    if len(lines) == len(CONFIGURATIONS):
        write_result("estimate_time", figures)


if __name__ == "__main__":
    main()
