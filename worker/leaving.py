"""Hears the supervisor's signals in a thread of its own, so that no long call in native code keeps it waiting."""

import faulthandler
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType

from worker.signals import DUMP_STACKS, EXIT_SAVED, FINISH, SAVE_AND_LEAVE

_STANDARD_ERROR = 2


class Leave(BaseException):
    """Save what is worth it, then exit with EXIT_SAVED; no library's `except Exception` may stop it."""


class Orders:
    """What the supervisor has asked for; to be entered in the main thread.

    Outside `worth_saving` there is nothing to save, and the process ends as soon as it is asked to leave. Inside it,
    whoever works calls `poll` often.
    """

    def __init__(self) -> None:
        self.finish = False
        self._leave = False
        self._polled = False
        self._lock = threading.Lock()

    def __enter__(self) -> "Orders":
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        self._former = {number: signal.signal(number, _do_nothing) for number in (SAVE_AND_LEAVE, FINISH)}
        self._former_pipe = signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        faulthandler.register(DUMP_STACKS, file=_STANDARD_ERROR, all_threads=True)
        threading.Thread(target=self._listen, name="orders", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        faulthandler.unregister(DUMP_STACKS)
        signal.set_wakeup_fd(self._former_pipe)
        for number, former in self._former.items():
            signal.signal(number, former)
        os.close(self._writing)

    def poll(self) -> None:
        """Raise Leave once that was asked for."""
        if self._leave:
            raise Leave

    @contextmanager
    def worth_saving(self) -> Iterator[None]:
        """While the body runs, leaving waits for `poll`; raises Leave at its end at the latest."""
        self._set_polled(True)
        yield
        self._set_polled(False)

    def _set_polled(self, polled: bool) -> None:
        with self._lock:
            self.poll()
            self._polled = polled

    def _listen(self) -> None:
        """Python writes each signal's number into the pipe as it arrives, whatever the main thread does."""
        while numbers := os.read(self._reading, 64):
            self.finish = self.finish or FINISH in numbers
            if SAVE_AND_LEAVE in numbers:
                with self._lock:
                    self._leave = True
                    if not self._polled:
                        os._exit(EXIT_SAVED)
        os.close(self._reading)


def _do_nothing(number: int, frame: FrameType | None) -> None:
    """Python tells of a signal through the pipe only if it has a function to call."""
