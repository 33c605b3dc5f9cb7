"""The child that splits: `python -m studio.splitting FOLDER`."""

import sys
from pathlib import Path

from studio.chores.child import end_with_parent, run_child
from studio.splitting.run import split_rows

if __name__ == "__main__":
    end_with_parent()
    sys.exit(run_child(split_rows, Path(sys.argv[1])))
