"""How long the website takes for a live estimate: goal, 50 ms at the 95th percentile with 200 measurements kept.

    python -m benchmarks.estimate_latency

One website process on a real SQLite file, asked over one connection; settings change from one request to the next, as
they do while a person types, and some of them do not fit, so that fixes are sought as well.
"""

import http.client
import json
import statistics
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from app.forms import flat
from benchmarks._studio import ROOT, running_studio, write_result
from studio.actors import LOCAL_ACTOR
from studio.budget.time import PARTS, TIME_VERSION
from studio.db import make_engine, make_session_factory, transaction
from studio.demo_client import Client
from studio.methods import METHODS
from studio.runs import Measurement, Run, validate_spec

MEASUREMENTS, REQUESTS, WARM_UP = 200, 300, 20
GOAL_MILLISECONDS = 50.0
HARDWARE, BASE_MODEL = "l4", "Qwen/Qwen3-8B"


def main() -> None:
    """Fill, ask, write."""
    with running_studio() as studio:
        dataset = Client(studio.url).upload("/api/datasets", ROOT / "examples" / "support-tickets.jsonl")
        version = dataset["versions"][-1]
        data = {"dataset_version_id": version["id"], "sha256": version["sha256"]}
        _fill(studio.data_dir, data)
        taken = {path: _ask(studio.url, path, data) for path in ("/api/runs/estimate", "/runs/estimate")}
    figures = {
        path: {
            "requests": len(times),
            "p50_ms": round(statistics.median(times), 1),
            "p95_ms": round(statistics.quantiles(times, n=20)[-1], 1),
            "slowest_ms": round(max(times), 1),
        }
        for path, times in taken.items()
    }
    write_result(
        "estimate_latency", {"goal": f"p95 <= {GOAL_MILLISECONDS:.0f} ms", "measurements": MEASUREMENTS, **figures}
    )


def _fill(data_dir: Path, data: dict[str, Any]) -> None:
    """Runs that are over, each with what it took."""
    spec = validate_spec({"data": data, "method": {"kind": "lora"}})
    engine = make_engine(f"sqlite:///{data_dir / 'tunewright.sqlite'}")
    with transaction(make_session_factory(engine)) as session:
        for number in range(MEASUREMENTS):
            run = Run(
                owner_id=LOCAL_ACTOR.id,
                name=f"Run {number}",
                spec=spec.model_dump(mode="json"),
                method="lora",
                base_model=BASE_MODEL,
                dataset_version_id=data["dataset_version_id"],
                status="succeeded",
                phase="done",
                resolved={
                    "rows": {"mean_tokens": 90.0 + number, "longest_tokens": 400, "learned_share": 0.3},
                    "cut_rows": 0,
                    "max_length": 1024,
                },
            )
            session.add(run)
            session.flush()
            session.add(_measurement(run.id, number))
    engine.dispose()


def _measurement(run_id: str, number: int) -> Measurement:
    ratio = 0.8 + (number % 9) / 20
    return Measurement(
        run_id=run_id,
        owner_id=LOCAL_ACTOR.id,
        hardware=HARDWARE,
        device="NVIDIA L4",
        model_type="qwen3",
        base_model=BASE_MODEL,
        method=list(METHODS)[number % len(METHODS)],
        facts={
            "version": TIME_VERSION,
            "measured": dict.fromkeys(PARTS, ratio),
            "estimated": dict.fromkeys(PARTS, 1.0),
            "memory": {"measured": 1e9 * ratio, "estimated": 1e9},
        },
    )


def _ask(url: str, path: str, data: dict[str, Any]) -> list[float]:
    """Milliseconds of each request."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"))
    times = []
    for number in range(WARM_UP + REQUESTS):
        body, headers = (_json if path.startswith("/api/") else _form)(_spec(data, number))
        began = time.perf_counter()
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        if number >= WARM_UP:
            times.append(1000 * (time.perf_counter() - began))
        if answer.status != 200:
            raise RuntimeError(content.decode())
    connection.close()
    return times


def _json(spec: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """As a program asks."""
    return json.dumps({"spec": spec, "hardware": HARDWARE}), {"content-type": "application/json"}


def _form(spec: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """As the form asks while a person types."""
    headers = {"content-type": "application/x-www-form-urlencoded", "HX-Request": "true"}
    values = {name: text for name, text in flat(spec).items() if name != "data.sha256"}
    return urlencode(values | {"hardware": HARDWARE}), headers


def _spec(data: dict[str, Any], number: int) -> dict[str, Any]:
    return {
        "base_model": {"id": BASE_MODEL},
        "data": data | {"max_length_tokens": 256 + 8 * number},
        "method": {"kind": list(METHODS)[number % len(METHODS)]},
        "hyperparameters": {"batch_size": 1 + number % 16, "epochs": 1 + number % 5},
    }


if __name__ == "__main__":
    main()
