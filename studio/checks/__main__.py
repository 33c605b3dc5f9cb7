"""The child that checks: `python -m studio.checks FOLDER`."""

import gc
import sys
from pathlib import Path

from studio.checks.run import check_rows
from studio.chores.child import end_with_parent, run_child


def main(folder: Path) -> int:
    """Check the rows that the request in `folder` names."""
    # No row is part of a cycle of objects; looking for cycles would take a tenth of the time.
    gc.disable()
    return run_child(check_rows, folder)


if __name__ == "__main__":
    end_with_parent()
    sys.exit(main(Path(sys.argv[1])))
