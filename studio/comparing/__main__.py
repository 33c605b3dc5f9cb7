"""The child that compares: `python -m studio.comparing FOLDER`."""

import sys
from pathlib import Path
from typing import Any

from studio.chores.child import Progress, end_with_parent, run_child
from studio.comparing import DIFFERENCE_FOLDER, Line, write_differences


def compare_rows(request: dict[str, Any], folder: Path, progress: Progress) -> dict[str, Any]:
    """Write the rows that differ between `request["before"]` and `request["after"]`, each a `Line` as JSON."""
    lines = [
        Line(side["row_count"], tuple(map(Path, side["origins"]))) for side in (request["before"], request["after"])
    ]
    total = sum(line.row_count for line in lines)
    return {
        "counts": write_differences(
            folder / DIFFERENCE_FOLDER, *lines, tell=lambda done: progress.tell("Comparing rows", done, total)
        )
    }


if __name__ == "__main__":
    end_with_parent()
    sys.exit(run_child(compare_rows, Path(sys.argv[1])))
