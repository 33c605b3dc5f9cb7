"""The child that checks: `python -m studio.checks FOLDER`."""

import sys
from pathlib import Path

from studio.checks.run import check_rows
from studio.chores.child import end_with_parent, run_child

if __name__ == "__main__":
    end_with_parent()
    sys.exit(run_child(check_rows, Path(sys.argv[1])))
