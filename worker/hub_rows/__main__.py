"""The program, a child as of any chore: `request.json` in, `progress.json` while it works, `report.json` at the end.

It is the only one beside the download of base models that uses the Hub's token, and it reads no rows.
"""

import os
import sys
from pathlib import Path
from typing import Any

from studio.chores.child import Progress, end_with_parent, run_child
from worker.hub_rows.fetch import fetch
from worker.hub_rows.order import TOKEN_VARIABLE, Order


def fetch_rows(request: dict[str, Any], folder: Path, progress: Progress) -> dict[str, Any]:
    """One file that the checking child can read, and where it comes from; raises CannotDo."""
    return fetch(Order.of(request, os.environ.get(TOKEN_VARIABLE)), folder, progress)


if __name__ == "__main__":
    end_with_parent()
    sys.exit(run_child(fetch_rows, Path(sys.argv[1])))
