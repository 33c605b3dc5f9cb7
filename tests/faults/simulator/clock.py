"""Virtual time: processes are generators that yield how long they wait, and one seed decides who comes first."""

import heapq
from collections.abc import Callable, Generator
from random import Random

Steps = Generator[float, None, None]
# Some instant of 2026, so that the numbers look like the database's.
BEGIN_SECONDS = 1_790_000_000.0


class Process:
    """One thread of control; a kill takes effect where it waits, a freeze only delays it."""

    def __init__(self, steps: Steps) -> None:
        self.steps = steps
        self.is_alive = True
        self.frozen_until = 0.0

    def kill(self) -> None:
        """End it at once, as SIGKILL does: it writes nothing any more."""
        if self.is_alive:
            self.is_alive = False
            self.steps.close()


class Clock:
    """The only time there is; it jumps to the next process that wakes up."""

    def __init__(self, random: Random) -> None:
        self.now = BEGIN_SECONDS
        self._random = random
        # The random number decides between two that wake at one instant, such as after a thaw.
        self._waiting: list[tuple[float, float, Process]] = []

    def spawn(self, steps: Steps) -> Process:
        """Start a process now."""
        process = Process(steps)
        self._wake(process, self.now)
        return process

    def run(self, is_over: Callable[[], bool], seconds: float) -> None:
        """Let everything happen until `is_over`, or for so long."""
        deadline = self.now + seconds
        while self._waiting and not is_over() and self.now < deadline:
            at, _, process = heapq.heappop(self._waiting)
            self.now = max(self.now, at)
            if not process.is_alive:
                continue
            if process.frozen_until > self.now:
                self._wake(process, process.frozen_until)
                continue
            try:
                self._wake(process, self.now + next(process.steps))
            except StopIteration:
                process.is_alive = False

    def _wake(self, process: Process, at: float) -> None:
        heapq.heappush(self._waiting, (at, self._random.random(), process))
