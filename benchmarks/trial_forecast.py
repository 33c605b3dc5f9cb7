"""What trial runs say of full runs, and what those then take: goal, each within 10 %.

    python -m benchmarks.trial_forecast [--only 2]

One studio with a real worker and the demo model. Each configuration is tried, then launched in full; what the trial's
report forecasts is compared with the time that the run held the worker, read from its stint. Wants quiet cores: about
6 minutes on two.
"""

import argparse
import os
import statistics
from typing import Any

from benchmarks._studio import ROOT, RunningStudio, await_end, running_studio, write_result
from studio.demo_client import Client

WITHIN = 0.10
# Early stopping would end what was counted to its last step.
_WHOLE = {"early_stopping": {"patience": 0}}
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "LoRA, batch 16": {"method": {"kind": "lora"}, "hyperparameters": {"batch_size": 16, "max_steps": 60}},
    "QLoRA, 2 x 8": {
        "method": {"kind": "qlora"},
        "hyperparameters": {"batch_size": 8, "gradient_accumulation_steps": 2, "max_steps": 50},
    },
    "IA3, batch 8, many evaluations": {
        "method": {"kind": "ia3"},
        "hyperparameters": {"batch_size": 8, "max_steps": 80},
        "evaluation": {"every_steps": 10, "sample_prompts": 4},
    },
    "prompt tuning, batch 4": {
        "method": {"kind": "prompt_tuning"},
        "hyperparameters": {"batch_size": 4, "max_steps": 120},
        "evaluation": {"sample_prompts": 2},
    },
    "full, batch 8, checkpointing": {
        "method": {"kind": "full"},
        "hyperparameters": {"batch_size": 8, "max_steps": 60, "gradient_checkpointing": True},
    },
}


def main() -> None:
    """Try, run, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", type=int, default=len(CONFIGURATIONS), help="how many configurations to try")
    chosen = dict(list(CONFIGURATIONS.items())[: parser.parse_args().only])
    with running_studio() as studio:
        client = Client(studio.url)
        studio.await_worker()
        version = client.upload("/api/datasets", ROOT / "examples" / "support-tickets.jsonl")["versions"][-1]
        data = {"dataset_version_id": version["id"], "sha256": version["sha256"], "max_length_tokens": 256}
        lines = [_compared(client, studio, name, _spec(data, parts)) for name, parts in chosen.items()]
    _tell(lines, is_whole=len(chosen) == len(CONFIGURATIONS))


def _spec(data: dict[str, Any], parts: dict[str, Any]) -> dict[str, Any]:
    hyperparameters = {"gradient_accumulation_steps": 1} | parts["hyperparameters"]
    evaluation = parts.get("evaluation", {}) | _WHOLE
    return {**parts, "data": data, "hyperparameters": hyperparameters, "evaluation": evaluation}


def _compared(client: Client, studio: RunningStudio, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    trial = await_end(client, client.post("/api/runs/trial", {"spec": spec})["id"])
    run = await_end(client, client.post(f"/api/runs/{trial['id']}/full-run", {})["id"])
    forecast, took = trial["trial"]["forecast"], studio.held_seconds(run["id"])
    line = {
        "configuration": name,
        "trial_seconds": round(studio.held_seconds(trial["id"]), 2),
        "forecast_seconds": forecast["seconds"],
        "measured_seconds": round(took, 2),
        "error": round(forecast["seconds"] / took - 1, 3),
        "forecast_parts": forecast["parts"],
        "measured_parts": run["resolved"]["seconds"],
        "load_average": round(os.getloadavg()[0], 2),
    }
    print(
        f"{name:32s} {line['forecast_seconds']:7.2f} s forecast {took:7.2f} s measured {line['error']:+7.1%}",
        flush=True,
    )
    return line


def _tell(lines: list[dict[str, Any]], *, is_whole: bool) -> None:
    figures = {
        "goal": f"each within {WITHIN:.0%}",
        "within": sum(abs(line["error"]) <= WITHIN for line in lines),
        "configurations": len(lines),
        "mean_absolute_error": round(statistics.fmean(abs(line["error"]) for line in lines), 3),
        "lines": lines,
    }
    print(f"{figures['within']} of {figures['configurations']} within {WITHIN:.0%}")
    if is_whole:
        write_result("trial_forecast", figures)


if __name__ == "__main__":
    main()
