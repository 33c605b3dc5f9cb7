"""A real `tunewright up` for tests, and waiting with a deadline."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

DEADLINE_SECONDS = 60


def eventually(holds: Callable[[], bool]) -> None:
    """Poll until it holds; fail at the deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.05)


class Up:
    """A real `tunewright up` of its own."""

    def __init__(self, data_dir: Path, *arguments: str, python: str = sys.executable, **variables: str) -> None:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("TUNEWRIGHT_")},
            "TUNEWRIGHT_DATA_DIR": str(data_dir),
            "TUNEWRIGHT_PORT": "0",
            **variables,
        }
        self.process = subprocess.Popen(
            [python, "-P", "-m", "studio.cli", "up", *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=data_dir.parent,
        )
        self.said: list[str] = []

    def url(self) -> str:
        """Read on until the address is printed."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line)
            found = [word for word in line.split() if word.startswith("http://")]
            if found:
                return found[0]
        raise AssertionError("".join(self.said))

    def children(self) -> dict[int, str]:
        """The command lines of its children, by process id."""
        ids = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return {int(one): Path(f"/proc/{one}/cmdline").read_text().replace("\0", " ") for one in ids}

    def stop(self) -> None:
        """Stop it, if a test has not yet."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.communicate(timeout=DEADLINE_SECONDS)
        if self.process.stdout:
            self.process.stdout.close()

    def ends_with(self) -> tuple[int, str]:
        """Wait for the end; the exit code and what was said since."""
        said, _ = self.process.communicate(timeout=DEADLINE_SECONDS)
        return self.process.returncode, said
