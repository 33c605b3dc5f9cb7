"""Reading files: MB/s of one core from bytes to checked canonical rows, its growth with rows, and memory at 1 GiB.

Chat rows of 500 to 1500 bytes, the child of an import as it really runs; its own processor time counts, start included.
"""

import csv
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks._studio import write_result
from studio.formats import FileKind, ImportLimits
from studio.formats.report import REPORT_FILE, Request

ROWS = (10_000, 20_000, 40_000, 80_000, 160_000)
GIB = 1 << 30
_TIMES = 3
_WORDS = (
    *("the", "of", "model", "answer", "quickly", "ticket", "a", "refund", "please", "how", "I", "can", "you", "reset"),
    *("password;", "it's", '"quoted"', "line,\n", "and", "then", "because", "we", "found", "that", "nothing", "else"),
    *("was", "wrong", "with", "your", "order", "from", "Zurich", "so"),
)
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reading:
    """What one child took."""

    size_mb: float
    rows: int
    cpu_seconds: float
    wall_seconds: float
    peak_mb: float

    @property
    def mb_per_second(self) -> float:
        """Megabytes of the file for each second of one core."""
        return round(self.size_mb / self.cpu_seconds, 1)


def main() -> None:
    """Measure and write the result."""
    with tempfile.TemporaryDirectory(prefix="tunewright-bench-") as name:
        folder = Path(name)
        growth = [best(folder, "jsonl", partial(chats, count), json_lines) for count in ROWS]
        slope = log_slope([(reading.rows, reading.cpu_seconds) for reading in growth])
        large = read(folder, "jsonl", repeated(folder, GIB))
        figures = {
            "goals": {"jsonl_mb_per_second": 150, "slope": 1.05, "peak_mb": 400},
            "jsonl_mb_per_second": growth[-1].mb_per_second,
            "by_rows": {reading.rows: round(reading.cpu_seconds, 3) for reading in growth},
            "slope": round(slope, 3),
            "gib": {"mb_per_second": large.mb_per_second, "peak_mb": large.peak_mb, "seconds": large.wall_seconds},
            "mb_per_second_of_other_files": others(folder),
        }
    write_result("ingest", figures)


def others(folder: Path) -> dict[str, float]:
    """Shapes and formats that take more steps."""
    count = 40_000
    kinds: dict[str, tuple[str, Callable[[], Iterator[Row]], Callable[[Path, Iterator[Row]], None]]] = {
        "jsonl_with_columns_beside": ("jsonl", partial(with_columns, count), json_lines),
        "jsonl_sharegpt": ("jsonl", partial(sharegpt, count), json_lines),
        "jsonl_pairs": ("jsonl", partial(pairs, count), json_lines),
        "json_array": ("json", partial(chats, count), json_array),
        "csv": ("csv", partial(pairs, count), csv_file),
        "parquet": ("parquet", partial(pairs, count), parquet_file),
    }
    return {name: best(folder, *kind).mb_per_second for name, kind in kinds.items()}


def best(
    folder: Path, kind: str, rows: Callable[[], Iterator[Row]], write: Callable[[Path, Iterator[Row]], None]
) -> Reading:
    """The quickest of a few readings of one file: the machine has other work."""
    path = folder / f"rows.{kind}"
    write(path, rows())
    return min((read(folder, kind, path) for _ in range(_TIMES)), key=lambda reading: reading.cpu_seconds)


def read(folder: Path, kind: str, path: Path) -> Reading:
    """Check one file in the child of an import."""
    with tempfile.TemporaryDirectory(dir=folder) as work:
        request = Request(path, Path(work), FileKind(kind, False), None, ImportLimits())
        started = time.monotonic()
        child = subprocess.Popen([sys.executable, "-P", "-s", "-m", "studio.formats"], stdin=subprocess.PIPE)
        assert child.stdin is not None
        child.stdin.write(json.dumps(request.to_json()).encode() + b"\n")
        child.stdin.flush()
        _, status, used = os.wait4(child.pid, 0)
        wall = time.monotonic() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        child.stdin.close()
        report = json.loads((Path(work) / REPORT_FILE).read_text(encoding="ascii"))
        assert report["outcome"] == "accepted", report
    cpu = used.ru_utime + used.ru_stime
    return Reading(path.stat().st_size / 1e6, report["row_count"], cpu, round(wall, 2), round(used.ru_maxrss / 1024, 1))


def log_slope(points: list[tuple[float, float]]) -> float:
    """The least-squares slope of log seconds over log rows."""
    pairs = [(math.log(x), math.log(y)) for x, y in points]
    mean_x, mean_y = (sum(axis) / len(pairs) for axis in zip(*pairs, strict=True))
    return float(sum((x - mean_x) * (y - mean_y) for x, y in pairs) / sum((x - mean_x) ** 2 for x, _ in pairs))


def chats(count: int) -> Iterator[Row]:
    """Rows of two to five turns."""
    chance = random.Random(17)
    for _ in range(count):
        turns = [{"role": "system", "content": text(chance, 15)}] if chance.random() < 0.5 else []
        for _ in range(chance.choice((1, 1, 2))):
            turns += [
                {"role": "user", "content": text(chance, 40)},
                {"role": "assistant", "content": text(chance, 90)},
            ]
        yield {"messages": turns}


def with_columns(count: int) -> Iterator[Row]:
    """The same with columns that are no part of the shape."""
    for number, row in enumerate(chats(count)):
        yield {"id": f"row-{number}", **row, "source": "benchmark", "stars": number % 5}


def sharegpt(count: int) -> Iterator[Row]:
    """The same in another shape."""
    names = {"system": "system", "user": "human", "assistant": "gpt"}
    for row in chats(count):
        yield {"conversations": [{"from": names[turn["role"]], "value": turn["content"]} for turn in row["messages"]]}


def pairs(count: int) -> Iterator[Row]:
    """Prompts and completions."""
    chance = random.Random(18)
    for _ in range(count):
        yield {"prompt": text(chance, 60), "completion": text(chance, 110)}


def text(chance: random.Random, words: int) -> str:
    """About so many words."""
    return " ".join(chance.choices(_WORDS, k=chance.randint(words // 2, words * 3 // 2)))


def json_lines(path: Path, rows: Iterator[Row]) -> None:
    """As most tools write it."""
    with path.open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def json_array(path: Path, rows: Iterator[Row]) -> None:
    """One array."""
    path.write_text(json.dumps(list(rows), ensure_ascii=False), encoding="utf-8")


def csv_file(path: Path, rows: Iterator[Row]) -> None:
    """With a header."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("prompt", "completion"))
        writer.writerows(row.values() for row in rows)


def parquet_file(path: Path, rows: Iterator[Row]) -> None:
    """In a process of its own: pyarrow would swell this one."""
    lines = path.with_suffix(".lines")
    json_lines(lines, rows)
    code = (
        "import json, sys, pyarrow as a, pyarrow.parquet as p;"
        "rows = [json.loads(line) for line in open(sys.argv[1], encoding='utf-8')];"
        "p.write_table(a.Table.from_pylist(rows), sys.argv[2], compression='none')"
    )
    subprocess.run([sys.executable, "-c", code, str(lines), str(path)], check=True)


def repeated(folder: Path, size_bytes: int) -> Path:
    """A file of this size: one block of rows over and over, each time with another first row."""
    block = folder / "block.jsonl"
    json_lines(block, chats(100_000))
    rows = block.read_bytes()
    path = folder / "large.jsonl"
    with path.open("wb") as stream:
        while stream.tell() < size_bytes:
            stream.write(rows)
    return path


if __name__ == "__main__":
    main()
