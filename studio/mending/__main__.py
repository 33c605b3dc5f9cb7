"""The child that mends: `python -m studio.mending FOLDER`."""

import sys
from pathlib import Path

from studio.chores.child import end_with_parent, run_child
from studio.mending.run import mend_rows

if __name__ == "__main__":
    end_with_parent()
    sys.exit(run_child(mend_rows, Path(sys.argv[1])))
