"""The child's files: every row inherits its split, previews write no rows, and long lists are counted, not kept."""

import random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio.mending import CHANGES_KEPT
from studio.storage import sha256_of
from tests.mending.conftest import Mend, pair


def test_every_row_keeps_the_split_that_it_had(mend: Mend) -> None:
    rows = [pair(f"Say {n}", "" if n % 7 == 3 else f"It is {n}") for n in range(200)]
    codes = "".join(random.Random(2).choices("012", k=len(rows)))

    mended = mend(rows, [{"do": "drop", "check": "empty_turns"}], codes)

    assert [int(codes[origin - 1]) for origin in mended.origins] == list(mended.codes)
    assert mended.result["sizes"] == [mended.codes.count(code) for code in range(3)]
    assert [rows[origin - 1] for origin in mended.origins] == mended.rows


def test_the_report_describes_the_files(mend: Mend) -> None:
    mended = mend([pair(f"Say {n}", f"It is {n}") for n in range(9)], [{"do": "drop_rows", "rows": [4]}])

    files = {"rows.jsonl": "sha256", "rows.origins": "origins_sha256", "split.codes": "codes_sha256"}
    assert {name: sha256_of(mended.folder / file) for file, name in files.items()} == {
        name: mended.result[name] for name in files.values()
    }
    assert mended.result["size_bytes"] == (mended.folder / "rows.jsonl").stat().st_size
    assert (mended.folder / "rows.offsets").stat().st_size == 8 * mended.result["row_count"]
    assert mended.result["facts"]["turns"] == {}
    assert mended.result["facts"]["rows_by_shape"] == {"as uploaded": 8}


def test_a_preview_tells_the_same_and_writes_no_rows(mend: Mend) -> None:
    rows = [pair(f"Say {n}", f"It is {n}") for n in range(9)]

    mended = mend(rows, [{"do": "drop_rows", "rows": [4, 9]}], publish=False)

    assert (mended.result["dropped"], mended.result["row_count"]) == (2, 7)
    assert [change["row"] for change in mended.changes] == [4, 9]
    assert sorted(path.name for path in mended.folder.iterdir()) == [
        "changes.jsonl",
        "changes.offsets",
        "progress.json",
    ]


def test_changes_beyond_the_first_thousand_are_counted(mend: Mend) -> None:
    rows = [pair(f"Say {n}", f"It is {n}") for n in range(CHANGES_KEPT + 50)]

    mended = mend(rows, [{"do": "drop_rows", "rows": list(range(10, CHANGES_KEPT + 40))}])

    assert mended.result["dropped"] == CHANGES_KEPT + 30
    assert len(mended.changes) == CHANGES_KEPT


_TEXTS = st.sampled_from(["", " ", "a", "A", "b.", "c" * 30, "None", "yes"])
_STEPS = st.sampled_from(
    [
        {"do": "drop", "check": "empty_turns"},
        {"do": "keep_first", "check": "exact_duplicates"},
        {"do": "keep_majority"},
        {"do": "cap_length", "characters": 20},
        {"do": "rebalance", "most": 2},
        {"do": "drop_rows", "rows": [3]},
        {"do": "edit", "number": 4, "row": pair("x", "y")},
    ]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.tuples(_TEXTS, _TEXTS), min_size=1, max_size=20),
    recipe=st.lists(_STEPS, min_size=1, max_size=5),
    seed=st.integers(0, 99),
)
def test_whatever_the_steps_are_rows_stay_in_order_in_their_split_and_are_accounted_for(
    texts: list[tuple[str, str]], recipe: list[dict[str, Any]], seed: int, mend: Mend
) -> None:
    kept = [pair(f"Kept {n}", f"Answer {n}") for n in range(6)]
    rows = [*kept, *(pair(*text) for text in texts), pair("dropped", "")]
    codes = "0001" + "".join(random.Random(seed).choices("012", k=len(rows) - 4))

    mended = mend(rows, [{"do": "drop", "check": "empty_turns"}, *recipe], codes)

    assert mended.origins == sorted(set(mended.origins))
    assert [int(codes[origin - 1]) for origin in mended.origins] == list(mended.codes)
    assert len(mended.rows) + mended.result["dropped"] == len(rows)
    unchanged = [(row, rows[at - 1]) for row, at in zip(mended.rows, mended.origins, strict=True)]
    assert sum(row != before for row, before in unchanged) == len(mended.changed) == mended.result["changed"]
    assert sum(step["dropped"] for step in mended.result["steps"]) == mended.result["dropped"]
