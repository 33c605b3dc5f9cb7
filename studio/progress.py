"""The progress of a run in a terminal: one line that is drawn over, or plain lines where nobody looks."""

import shutil
import sys
import time
from collections.abc import Callable
from typing import Any, Self

Say = Callable[[str], None]

BAR_WIDTH = 24


class Progress:
    """Shows a run as the API describes it; on a terminal in place, elsewhere a line at each new validation loss."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._draws = sys.stdout.isatty()
        self._begun = time.monotonic()
        self._told: tuple[Any, ...] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._draws:
            sys.stdout.write("\n")

    def show(self, run: dict[str, Any]) -> None:
        """Draw the run as it stands."""
        line = describe(run, time.monotonic() - self._begun)
        if self._draws:
            width = shutil.get_terminal_size().columns - 1
            sys.stdout.write(f"\r{line[:width].ljust(width)}")
            sys.stdout.flush()
            return
        now = (run["status"], run["last_validation_loss"])
        if now != self._told:
            self._told = now
            self._say(line)


def describe(run: dict[str, Any], seconds: float) -> str:
    """One line: bar, step, losses, time, and what is being done where that is not training."""
    done = run["step"] / run["total_steps"] if run["total_steps"] else 0.0
    bar = "#" * round(BAR_WIDTH * done)
    minutes, rest = divmod(int(seconds), 60)
    parts = [
        f"[{bar.ljust(BAR_WIDTH, '-')}]",
        f"{run['step']}/{run['total_steps']} steps" if run["total_steps"] else run["phase_words"],
        f"training loss {_number(run['last_train_loss'])}",
        f"validation loss {_number(run['last_validation_loss'])}",
        f"{minutes}:{rest:02d}",
    ]
    if run["total_steps"] and run["phase"] != "training":
        parts.append(run["phase_words"])
    return "  ".join(parts)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
