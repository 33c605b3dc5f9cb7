"""The work of the child: read the fields of the rows, make units, deal them out."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from studio.checks.seen import Seen
from studio.chores.child import CannotDo, Progress
from studio.splitting import CODES_FILE
from studio.splitting.deal import TEST, TRAIN, VALIDATION, Unit, deal, deal_in_order
from studio.splitting.units import Units, sizes_of

ANSWER = "answer"
_NAMES = {
    "train": TRAIN,
    "training": TRAIN,
    "validation": VALIDATION,
    "valid": VALIDATION,
    "val": VALIDATION,
    "dev": VALIDATION,
    "eval": VALIDATION,
    "test": TEST,
    "testing": TEST,
    "held-out": TEST,
}
_SHOWN_VALUES = 30
_TOLD_EVERY = 2000
# Checks whose groups say the same, or nearly: on both sides of a split they would leak.
_SIMILAR = ("exact_duplicates", "near_duplicates", "contradictions", "near_contradictions")


def split_rows(request: dict[str, Any], folder: Path, progress: Progress) -> dict[str, Any]:
    """Write one code a row; the report says how many rows are where, and how each value was dealt out.

    `request`: rows, row_count, old_codes (a file), findings (a folder, or None), plan (see `SplitPlan`).
    """
    plan, old = request["plan"], Path(request["old_codes"]).read_bytes()
    values = _values(request, progress) if plan["field"] else [None] * request["row_count"]
    codes = _named(values) if plan["way"] == "column" else _dealt(request, plan, values, old)
    sizes = sizes_of(codes)
    if not sizes[TRAIN] or not sizes[VALIDATION]:
        raise CannotDo(
            f"This split would leave {sizes[TRAIN]:,} rows to train on and {sizes[VALIDATION]:,} to validate with; "
            "both need one at least. Choose other shares, or a field with smaller groups."
        )
    (folder / CODES_FILE).write_bytes(codes)
    return {"sizes": list(sizes), "moved": _moved(codes, old), "values": _table(values, codes) if plan["field"] else []}


def _dealt(request: dict[str, Any], plan: dict[str, Any], values: Sequence[Any], old: bytes) -> bytearray:
    """Test rows stay what they are when the plan keeps them, and what is similar to one goes with it."""
    units = Units(request["row_count"])
    if plan["way"] == "grouped":
        units.join_equal(values)
    if plan["keep_similar_together"] and request["findings"]:
        _join_similar(units, Path(request["findings"]))
    codes = bytearray(request["row_count"])
    free: list[Unit] = []
    for unit in units.members(range(request["row_count"])):
        if plan["keep_test"] and any(old[row] == TEST for row in unit):
            for row in unit:
                codes[row] = TEST
        else:
            free.append(unit)
    shares = _shares(plan, request["row_count"], sizes_of(codes)[TEST])
    if plan["way"] == "time":
        times = _times(values)
        # A unit is as old as its newest row.
        deal_in_order(codes, sorted(free, key=lambda unit: max(times[row] for row in unit)), **shares)
    else:
        stratum: Callable[[Unit], object] = (lambda unit: values[unit[0]]) if plan["way"] == "stratified" else _none
        deal(codes, free, stratum, seed=plan["seed"], **shares)
    return codes


def _shares(plan: dict[str, Any], rows: int, kept: int) -> dict[str, float]:
    """The shares of the free rows that give the shares of all rows, where test rows are kept."""
    free = max(1, rows - kept)
    test = max(0.0, plan["test_fraction"] * rows - kept) if not kept else 0.0
    return {
        "validation_fraction": min(1.0, plan["validation_fraction"] * rows / free),
        "test_fraction": min(1.0, test / free),
    }


def _join_similar(units: Units, findings: Path) -> None:
    for name in _SIMILAR:
        path = findings / f"{name}.jsonl"
        if not path.is_file():
            continue
        with path.open("rb") as lines:
            for line in lines:
                found = json.loads(line)
                if found["group"]:
                    units.join(found["group"] - 1, found["row"] - 1)


def _values(request: dict[str, Any], progress: Progress) -> list[Any]:
    field, total = request["plan"]["field"], request["row_count"]
    values: list[Any] = []
    # Equal texts are kept once, so that a field of few values costs eight bytes a row.
    known: dict[Any, Any] = {}
    for row in _rows(Path(request["rows"])):
        value = Seen(0, 0, row).normal_answer if field == ANSWER else (row.get("fields") or {}).get(field)
        values.append(known.setdefault(value, value))
        if len(values) % _TOLD_EVERY == 0:
            progress.tell("Reading rows", len(values), total)
    if all(value is None for value in values):
        raise CannotDo(f"No row has the field {field}. Pick one that the rows have.")
    return values


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb", buffering=1 << 20) as lines:
        for line in lines:
            yield json.loads(line)


def _named(values: Sequence[Any]) -> bytearray:
    codes = bytearray()
    for number, value in enumerate(values, start=1):
        code = _NAMES.get(str(value).strip().lower())
        if code is None:
            raise CannotDo(f"Row {number:,} says {str(value)[:40]!r} where train, validation or test is needed.")
        codes.append(code)
    return codes


def _times(values: Sequence[Any]) -> list[float]:
    """Numbers, or dates as ISO 8601 writes them."""
    times = []
    for number, value in enumerate(values, start=1):
        try:
            times.append(float(value) if isinstance(value, int | float) else _moment(value))
        except (TypeError, ValueError):
            raise CannotDo(
                f"Row {number:,} has no time that can be read ({str(value)[:40]!r}). Times are numbers, or dates such "
                "as 2026-03-31 or 2026-03-31T12:00:00Z."
            ) from None
    return times


def _moment(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
        # Without a zone all are taken for the same one.
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _moved(codes: Sequence[int], old: Sequence[int]) -> int:
    return sum(new != before for new, before in zip(codes, old, strict=True))


def _table(values: Sequence[Any], codes: Sequence[int]) -> list[dict[str, Any]]:
    """The most frequent values, and how many rows of each are where."""
    counts = Counter(values)
    shown = [value for value, _ in counts.most_common(_SHOWN_VALUES)]
    rows = Counter(zip(values, codes, strict=True))
    return [
        {"value": "" if value is None else str(value)[:80], "sizes": [rows[value, code] for code in range(3)]}
        for value in shown
    ]


def _none(unit: Unit) -> object:
    return None
