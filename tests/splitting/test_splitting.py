"""Splits by the rows' own fields: right shares, nothing torn apart, test rows frozen, clear refusals."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.chores.child import CannotDo, Progress
from studio.splitting import CODES_FILE
from studio.splitting.deal import TEST, TRAIN, VALIDATION, deal
from studio.splitting.run import split_rows
from studio.splitting.units import sizes_of

PLAN: dict[str, Any] = {
    "way": "random",
    "field": None,
    "validation_fraction": 0.1,
    "test_fraction": 0.1,
    "seed": 17,
    "keep_test": True,
    "keep_similar_together": True,
}
Run = Callable[..., tuple[bytes, dict[str, Any]]]


@pytest.fixture
def split(tmp_path: Path) -> Run:
    """Split rows with these values of the field `f`; returns the codes and the report."""

    def run(
        values: Sequence[Any], *, old: bytes = b"", groups: Sequence[tuple[int, int]] = (), **changes: Any
    ) -> tuple[bytes, dict[str, Any]]:
        rows = [{"prompt": f"q{n}", "completion": "a", "fields": {"f": value}} for n, value in enumerate(values)]
        (tmp_path / "rows").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (tmp_path / "old").write_bytes(old or bytes(len(values)))
        findings = [{"row": row, "group": group, "other": group, "detail": ""} for row, group in groups]
        (tmp_path / "near_duplicates.jsonl").write_text("".join(json.dumps(found) + "\n" for found in findings))
        request = {
            "rows": str(tmp_path / "rows"),
            "row_count": len(values),
            "old_codes": str(tmp_path / "old"),
            "findings": str(tmp_path),
            "plan": PLAN | {"field": None if changes.get("way", "random") == "random" else "f"} | changes,
        }
        report = split_rows(request, tmp_path, Progress(tmp_path))
        return (tmp_path / CODES_FILE).read_bytes(), report

    return run


def test_each_label_has_the_same_shares_on_all_sides(split: Run) -> None:
    labels = ["spam"] * 900 + ["ham"] * 90 + ["rare"] * 10

    codes, report = split(labels, way="stratified")

    by_label = {
        label: sizes_of([code for code, one in zip(codes, labels, strict=True) if one == label]) for label in labels
    }
    assert by_label == {"spam": (720, 90, 90), "ham": (72, 9, 9), "rare": (8, 1, 1)}
    assert report["sizes"] == [800, 100, 100]
    assert report["values"][0] == {"value": "spam", "sizes": [720, 90, 90]}


def test_no_group_is_on_two_sides(split: Run) -> None:
    people = [f"person {n % 37}" for n in range(500)]

    codes, report = split(people, way="grouped")

    sides: dict[str, set[int]] = {}
    for person, code in zip(people, codes, strict=True):
        sides.setdefault(person, set()).add(code)
    assert all(len(side) == 1 for side in sides.values())
    assert abs(report["sizes"][VALIDATION] - 50) <= 14
    assert abs(report["sizes"][TEST] - 50) <= 14


def test_what_is_held_out_lies_after_what_is_trained_on(split: Run) -> None:
    days = [f"2026-0{1 + n % 9}-1{n % 7}" for n in range(300)]

    codes, _ = split(days, way="time")

    newest = {side: max(day for day, code in zip(days, codes, strict=True) if code == side) for side in range(3)}
    oldest = {side: min(day for day, code in zip(days, codes, strict=True) if code == side) for side in range(3)}
    assert newest[TRAIN] <= oldest[VALIDATION]
    assert newest[VALIDATION] <= oldest[TEST]


def test_a_column_may_say_the_split(split: Run) -> None:
    codes, _ = split(["train", "Train", "dev", "test"], way="column")

    assert list(codes) == [TRAIN, TRAIN, VALIDATION, TEST]


def test_similar_rows_stay_together_and_go_with_a_frozen_test_row(split: Run) -> None:
    old = bytes([TEST] + [TRAIN] * 99)
    pairs = [(n + 50, n) for n in range(1, 51)]

    codes, _ = split([None] * 100, old=old, groups=pairs)

    assert codes[0] == codes[50] == TEST
    assert all(codes[row - 1] == codes[group - 1] for row, group in pairs)


@pytest.mark.parametrize("way", ["random", "stratified", "grouped"])
def test_test_rows_are_frozen(split: Run, way: str) -> None:
    old = bytes([TEST if n % 10 == 0 else TRAIN for n in range(200)])

    codes, report = split([f"v{n % 50}" for n in range(200)], way=way, old=old, seed=5, keep_similar_together=False)

    assert all(codes[row] == TEST for row in range(0, 200, 10))
    assert report["sizes"][VALIDATION] >= 16
    if way != "grouped":
        assert report["sizes"] == [160, 20, 20]


def test_test_rows_are_dealt_anew_when_asked(split: Run) -> None:
    codes, _ = split([None] * 100, old=bytes([TEST] * 10 + [TRAIN] * 90), keep_test=False, seed=3)

    assert sizes_of(codes) == (80, 10, 10)
    assert set(codes[:10]) != {TEST}


def test_the_same_seed_gives_the_same_split(split: Run) -> None:
    first, again, other = (split([None] * 100, seed=seed)[0] for seed in (1, 1, 2))

    assert first == again != other


@pytest.mark.parametrize(
    ("values", "changes", "sentence"),
    [
        (["a", "b"], {"way": "column"}, "Row 1 says 'a' where train, validation or test is needed."),
        ([None, None], {"way": "stratified"}, "No row has the field f."),
        (["monday", "tuesday"], {"way": "time"}, "Row 1 has no time that can be read ('monday')."),
        (["x"] * 50, {"way": "grouped"}, "would leave 50 rows to train on and 0 to validate with"),
        (["test", "test"], {"way": "column"}, "would leave 0 rows to train on"),
    ],
)
def test_what_cannot_be_split_is_told(
    split: Run, values: Sequence[Any], changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(CannotDo, match=sentence.replace("(", r"\(").replace(")", r"\)")):
        split(values, **changes)


@given(
    st.lists(st.integers(1, 9), min_size=5, max_size=120),
    st.integers(0, 100),
    st.floats(0.05, 0.3),
    st.floats(0.0, 0.3),
)
def test_shares_are_met_as_near_as_units_allow(
    unit_sizes: list[int], seed: int, validation: float, test: float
) -> None:
    rows = sum(unit_sizes)
    units, start = [], 0
    for size in unit_sizes:
        units.append(list(range(start, start + size)))
        start += size
    codes = bytearray(rows)

    deal(codes, units, len, validation_fraction=validation, test_fraction=test, seed=seed)

    sizes, largest = sizes_of(codes), max(unit_sizes)
    assert abs(sizes[VALIDATION] - rows * validation) <= largest
    assert abs(sizes[TEST] - rows * test) <= largest
