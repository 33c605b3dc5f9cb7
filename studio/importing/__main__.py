"""The child that imports: `python -m studio.importing FOLDER`."""

import sys
from pathlib import Path

from studio.chores.child import end_with_parent, run_child
from studio.importing.run import import_rows

if __name__ == "__main__":
    end_with_parent()
    sys.exit(run_child(import_rows, Path(sys.argv[1])))
