"""Mending: rows per second of one core from findings to the next version, growth, memory for a large one.

The child as it really runs, its start included. A recipe of five steps, which look at all rows twice: drop, keep the
majority, keep the first, trim, and rebalance; findings are written as the checks write them.
"""

import json
import os
import random
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks._studio import write_result
from benchmarks.ingest import log_slope

ROWS = (10_000, 20_000, 40_000, 80_000, 160_000)
# About 1 GiB.
LARGE_ROWS = 2_050_000
_TIMES = 3
_RECIPE = (
    {"do": "drop", "check": "empty_turns", "sentence": "Drop"},
    {"do": "keep_majority", "check": "contradictions", "sentence": "Vote"},
    {"do": "keep_first", "check": "exact_duplicates", "sentence": "First"},
    {"do": "trim", "check": "stray_spaces", "sentence": "Trim"},
    {"do": "rebalance", "most": 3, "seed": 17, "sentence": "Rebalance"},
)


@dataclass(frozen=True, slots=True)
class Mended:
    """What one child took."""

    rows: int
    size_bytes: int
    cpu_seconds: float
    wall_seconds: float
    peak_mb: float
    rows_left: int


def main() -> None:
    """Measure and write the result."""
    growth = [best(count) for count in ROWS]
    large = best(LARGE_ROWS, times=1)
    figures = {
        "goals": {"slope": 1.05, "peak_mb": 400},
        "rows_per_second": round(growth[-1].rows / growth[-1].cpu_seconds),
        "by_rows": {one.rows: round(one.cpu_seconds, 3) for one in growth},
        "slope": round(log_slope([(one.rows, one.cpu_seconds) for one in growth]), 3),
        "large": {
            "rows": large.rows,
            "size_mb": round(large.size_bytes / 1e6),
            "cpu_seconds": round(large.cpu_seconds, 1),
            "wall_seconds": large.wall_seconds,
            "peak_mb": large.peak_mb,
            "rows_left": large.rows_left,
        },
    }
    write_result("mending", figures)


def best(rows: int, times: int = _TIMES) -> Mended:
    """The quickest of a few times: the machine has other work."""
    with tempfile.TemporaryDirectory(prefix="tunewright-bench-") as name:
        folder = Path(name)
        request = written(folder, rows)
        return min((mend(folder, request, rows) for _ in range(times)), key=lambda one: one.cpu_seconds)


def written(folder: Path, count: int) -> dict[str, Any]:
    """A version with one row in twenty empty, copied, contradicted or with stray spaces, and what was found in it."""
    chance = random.Random(count)
    filler = " ".join(chance.choices(["the", "order", "was", "sent", "back", "and", "paid", "for"], k=100))
    found: dict[str, list[dict[str, Any]]] = {step["check"]: [] for step in _RECIPE if "check" in step}
    at = 0
    with (folder / "rows").open("wb") as rows, (folder / "offsets").open("wb") as offsets:
        for number in range(1, count + 1):
            answer = f"Answer {number % (count // 4)}. {filler}"
            kind = chance.choice(("contradictions", "empty_turns", "exact_duplicates", "stray_spaces", *[""] * 76))
            if kind:
                group = number if kind == "contradictions" else max(1, number - 1)
                found[kind].append({"row": number, "detail": "planted", "other": 0, "group": group})
            text = json.dumps({"prompt": f"Question {number}", "completion": answer + " " * (kind == "stray_spaces")})
            line = text.replace(": ", ":").replace(", ", ",").encode() + b"\n"
            offsets.write(struct.pack("<Q", at))
            rows.write(line)
            at += len(line)
    for check, findings in found.items():
        (folder / f"{check}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in findings), encoding="ascii")
    (folder / "codes").write_bytes(bytes(chance.choices((0, 0, 0, 0, 0, 0, 0, 0, 1, 2), k=count)))
    return {
        "rows": str(folder / "rows"),
        "offsets": str(folder / "offsets"),
        "split_codes": str(folder / "codes"),
        "findings": str(folder),
        "row_count": count,
        "canonical": "prompt_completion",
        "shape": "prompt_completion",
        "steps": list(_RECIPE),
        "publish": True,
        "memory_bytes": 2 << 30,
        "cpu_seconds": 3600,
    }


def mend(folder: Path, request: dict[str, Any], rows: int) -> Mended:
    """Apply the recipe in the child of a chore."""
    with tempfile.TemporaryDirectory(dir=folder) as work:
        (Path(work) / "request.json").write_text(json.dumps(request), encoding="utf-8")
        started = time.monotonic()
        command = [sys.executable, "-P", "-s", "-m", "studio.mending", work]
        child = subprocess.Popen(command, stdin=subprocess.PIPE)
        _, status, used = os.wait4(child.pid, 0)
        wall = time.monotonic() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        assert child.stdin is not None
        child.stdin.close()
        report = json.loads((Path(work) / "report.json").read_text(encoding="ascii"))
        assert not report["problem"], report
    size_bytes = Path(request["rows"]).stat().st_size
    cpu_seconds = used.ru_utime + used.ru_stime
    left = report["result"]["row_count"]
    return Mended(rows, size_bytes, cpu_seconds, round(wall, 2), round(used.ru_maxrss / 1024, 1), left)


if __name__ == "__main__":
    main()
