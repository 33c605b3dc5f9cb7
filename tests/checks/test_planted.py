"""Five thousand rows with known mistakes: how many of them are found, and how much of what is found is one."""

from pathlib import Path

import orjson

from studio.checks.run import check_rows
from studio.chores.child import Progress
from tests.checks.looking import written
from tests.checks.planted import EXACT, NEAR, Planted, plant


def test_planted_mistakes_are_found_and_little_else(tmp_path: Path) -> None:
    planted = plant()

    found = checked(tmp_path, planted)

    table = {kind: (planted.truth[kind], found[kind]) for kind in (*EXACT, *NEAR)}
    print(f"\n{'kind':22}{'planted':>8}{'found':>8}{'recall':>8}{'precision':>10}")
    for kind, (truth, told) in table.items():
        print(f"{kind:22}{len(truth):8}{len(told):8}{recall(truth, told):8.3f}{recall(told, truth):10.3f}")
    for kind in EXACT:
        assert recall(*table[kind]) >= 0.99 and recall(*reversed(table[kind])) >= 0.99, kind
    for kind in NEAR:
        assert recall(*table[kind]) >= 0.95 and recall(*reversed(table[kind])) >= 0.90, kind


def checked(folder: Path, planted: Planted) -> dict[str, set[int]]:
    """The rows that each check finds, from its file of findings."""
    codes = folder / "split.codes"
    codes.write_bytes(bytes(planted.codes))
    request = {
        "rows": str(written(folder, planted.rows)),
        "split_codes": str(codes),
        "row_count": len(planted.rows),
        "canonical": "messages",
    }
    result = check_rows(request, folder, Progress(folder))
    return {check["name"]: rows_of(folder / "findings" / f"{check['name']}.jsonl") for check in result["checks"]}


def rows_of(path: Path) -> set[int]:
    return {orjson.loads(line)["row"] for line in path.read_bytes().splitlines()}


def recall(wanted: set[int], got: set[int]) -> float:
    """How much of what is wanted is there."""
    return len(wanted & got) / len(wanted) if wanted else 1.0
