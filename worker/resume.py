"""Goes on behind a checkpoint: puts its states back, says what may come out otherwise, and catches up."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from studio.runs.events import Resumed
from worker.checkpoint import load_optimizer
from worker.event_log import EventLog
from worker.guard import Guard
from worker.saver import Saver
from worker.state import State

# What of the resolved config decides bits, and what to call it.
_DECISIVE = {
    "device": "device",
    "driver": "GPU driver",
    "instructions": "processor instructions",
    "compute_dtype": "arithmetic",
    "attention": "attention",
    "optimizer": "optimizer",
    "deterministic": "determinism",
}


@dataclass(frozen=True, slots=True)
class Saved:
    """A checkpoint to go on from, and its state."""

    folder: Path
    state: State


class Beginning(TrainerCallback):
    """What happens once optimizer and scheduler are there and before the first step."""

    def __init__(
        self,
        saver: Saver,
        saved: Saved | None,
        events: EventLog,
        guard: Guard,
        *,
        describe: Callable[[], dict[str, Any]],
        preflight: Callable[[], None],
    ) -> None:
        self._saver = saver
        self._saved = saved
        self._events = events
        self._guard = guard
        self._describe = describe
        self._preflight = preflight

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **parts: Any
    ) -> None:
        """Restore, look whether the longest batch fits, and make up for an evaluation that was left.

        Raises NothingTrained when there is no time for the first step.
        """
        if self._saved is not None:
            saved = self._saved.state
            load_optimizer(parts["optimizer"], parts["lr_scheduler"], self._saved.folder, saved)
            self._saver.trainer.restore(saved.counters)
        self._preflight()
        if self._saved is not None:
            tell_resumed(self._events, saved, self._describe())
            if saved.pending_evaluation and self._guard.may_measure():
                self._saver.reporter.measure(saved.step)
                self._saver.save()
        if self._guard.begin(state.global_step):
            # Transformers asks for a batch before it looks whether to stop.
            self._saver.trainer.take_no_more()
            control.should_training_stop = True


def tell_resumed(events: EventLog, saved: State, now: dict[str, Any]) -> None:
    """Say from where the run goes on."""
    events.emit(Resumed(step=saved.step, difference=difference(saved.resolved, now)))


def difference(before: dict[str, Any], now: dict[str, Any]) -> str:
    """Why the numbers may not be those of a run without a break; empty when they are the same, bit by bit."""
    others = [words for key, words in _DECISIVE.items() if before.get(key) != now.get(key)]
    versions = sorted(set(before["versions"].items()) ^ set(now["versions"].items()))
    others += sorted({f"version of {name}" for name, _ in versions})
    if others:
        return f"Resumed with another {', '.join(others)}; not bit-exact."
    if now["device_kind"] == "cuda" and not now["deterministic"]:
        return "Resumed on a GPU that has no deterministic algorithm for this model; not bit-exact."
    if now["device_kind"] == "cuda" and now["base_bits"] != 16:
        return f"Resumed over a {now['base_bits']}-bit base on a GPU; not bit-exact."
    return ""
