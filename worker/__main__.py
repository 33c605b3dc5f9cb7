"""`python -m worker`: one worker, one slot."""

import sys

from worker.main import main

if __name__ == "__main__":
    sys.exit(main())
