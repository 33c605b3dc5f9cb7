"""How fast the checks are, how their time grows with the rows, and how much memory a gigabyte of rows takes.

Times are those of the processor as well as of the clock: on shared cores only the first can be compared.
"""

import json
import math
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import orjson

from benchmarks._studio import write_result
from studio.checks.base import Check, Context
from studio.checks.rules import all_checks
from studio.checks.seen import Seen
from tests.checks.planted import plant
from tests.checks.sentences import story

SIZES = (10_000, 20_000, 40_000, 80_000, 160_000)
NEAR_ROWS = 100_000
LARGE_BYTES = 1 << 30
_BLOCK = 10_000


def measure(folder: Path) -> dict[str, Any]:
    """All figures, with the goals beside them."""
    by_size = [_checkup(folder, rows=rows) for rows in SIZES]
    large = _checkup(folder, size_bytes=LARGE_BYTES)
    return {
        "goals": {
            "rows_per_second": 20_000,
            "near_seconds_for_100000_rows": 60,
            "peak_memory_mib_for_1_gib": 400,
            "log_log_slope": 1.05,
        },
        "row_checks": _row_checks(folder),
        "near": _near(folder),
        "by_size": by_size,
        "log_log_slope": round(_slope([(size["rows"], size["cpu_seconds"]) for size in by_size]), 3),
        "one_gib": large,
    }


def write_rows(path: Path, rows: int = 1 << 60, size_bytes: int = 1 << 60) -> int:
    """Rows of some 600 bytes with mistakes planted in them, until there are enough; returns how many."""
    written = 0
    with path.open("wb") as stream:
        while written < rows and stream.tell() < size_bytes:
            for row in plant(seed=written, count=min(_BLOCK, rows - written)).rows:
                answer = row["messages"][-1]
                # The same answer grows by the same story, so that copies stay copies.
                answer["content"] += " " + story(random.Random(answer["content"]), 2, 5)
                stream.write(orjson.dumps(row) + b"\n")
                written += 1
    return written


def _checkup(folder: Path, **size: int) -> dict[str, Any]:
    """A whole checkup in its child, as the worker starts it."""
    path, codes = folder / "rows.jsonl", folder / "split.codes"
    rows = write_rows(path, **size)
    codes.write_bytes(bytes(row % 10 == 0 for row in range(rows)))
    with tempfile.TemporaryDirectory(dir=folder) as work:
        request = {"rows": str(path), "split_codes": str(codes), "row_count": rows, "canonical": "messages"}
        request |= {"memory_bytes": 2 << 30, "cpu_seconds": 7200}
        (Path(work) / "request.json").write_text(json.dumps(request), encoding="utf-8")
        before, began = _used(), time.perf_counter()
        # A process of its own measures the child: the peak is that of the largest child so far.
        measured = subprocess.run(
            [sys.executable, "-m", "benchmarks.checks", work], stdout=subprocess.PIPE, text=True, check=True
        )
        seconds = time.perf_counter() - began
    return {
        "rows": rows,
        "mib": round(path.stat().st_size / (1 << 20), 1),
        "seconds": round(seconds, 1),
        "cpu_seconds": round(_used() - before, 1),
        "peak_memory_mib": round(int(measured.stdout) / 1024),
    }


def _used() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _peak_of_child(work: str) -> int:
    """Run the child on this folder and print how much it held, in KiB."""
    with subprocess.Popen([sys.executable, "-m", "studio.checks", work], stdin=subprocess.PIPE) as child:
        if child.wait() or json.loads((Path(work) / "report.json").read_text(encoding="ascii"))["problem"]:
            raise RuntimeError("the checkup failed")
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss


def _row_checks(folder: Path) -> dict[str, Any]:
    """The look of all checks but the near ones at 50,000 rows, reading included."""
    rows = write_rows(folder / "rows.jsonl", rows=50_000)
    seconds = _look(folder / "rows.jsonl", rows, near=False)[1]
    return {"rows": rows, "cpu_seconds": round(seconds, 2), "rows_per_cpu_second": round(rows / seconds)}


def _near(folder: Path) -> dict[str, Any]:
    """The three near checks alone, from the first row to the last finding."""
    rows = write_rows(folder / "rows.jsonl", rows=NEAR_ROWS)
    began, cpu_began = time.perf_counter(), time.process_time()
    checks, _ = _look(folder / "rows.jsonl", rows, near=True)
    found = {check.name: sum(1 for _ in check.finish()) for check in checks}
    return {
        "rows": rows,
        "seconds": round(time.perf_counter() - began, 1),
        "cpu_seconds": round(time.process_time() - cpu_began, 1),
        "found": found,
    }


def _look(path: Path, rows: int, *, near: bool) -> tuple[list[Check], float]:
    context = Context(row_count=rows, canonical="messages", rows=path)
    checks = [check(context) for check in all_checks() if check.name.startswith("near_") == near]
    began, start = time.process_time(), 0
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            seen = Seen(number, int(number % 10 == 0), orjson.loads(line), start)
            start += len(line)
            for check in checks:
                for _ in check.look(seen):
                    pass
    return checks, time.process_time() - began


def _slope(points: list[tuple[int, float]]) -> float:
    """Of the straight line through the logarithms, by least squares."""
    pairs = [(math.log(x), math.log(y)) for x, y in points]
    mean_x, mean_y = (sum(values) / len(pairs) for values in zip(*pairs, strict=True))
    return sum((x - mean_x) * (y - mean_y) for x, y in pairs) / sum((x - mean_x) ** 2 for x, _ in pairs)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(_peak_of_child(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory(prefix="tunewright-bench-") as place:
            write_result("checks", measure(Path(place)))
