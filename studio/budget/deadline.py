"""When an attempt must begin to close, so that closing too ends before its cap. Pure: it is told what things took."""

from collections import deque
from dataclasses import dataclass, field
from statistics import median

_STEPS_KEPT = 20
# Rows differ in length, and so do steps; the longest would let one hiccup of the machine end a run early.
_STEP_MARGIN = 1.25
# Evaluations differ by a few percent: one that comes behind the last step and is given up leaves steps without a loss.
_EVALUATION_MARGIN = 1.1
# A due evaluation that takes a fifth longer than the one before still leaves time for a step and its own.
_DUE_EVALUATION_MARGIN = 1.5
# The pace of the first steps says little: allocators, kernels and caches warm up.
_STEPS_FOR_A_FORECAST = 5
# A forecast this little beyond the cap is noise.
_FORECAST_SLACK = 0.02
# What an archive goes through at the pace of a checkpoint: written, hashed, zipped, hashed, and stored.
_ARCHIVE_PASSES = 4
_SLOW_BYTES_PER_SECOND = 100e6
# A checkpoint of few bytes costs these anyway: files are made and synced.
_LEAST_SAVE_SECONDS = 0.1


@dataclass(slots=True)
class Deadline:
    """Times of one attempt in seconds of one monotonic clock; `ends_at` is when the cap is reached.

    `export_bytes` are those of the archive, `checkpoint_bytes` those of a checkpoint; `leaving_seconds` is what lies
    between the archive and the end of the attempt.
    """

    ends_at: float
    checkpoint_bytes: int
    export_bytes: int
    leaving_seconds: float
    _steps: deque[float] = field(default_factory=lambda: deque(maxlen=_STEPS_KEPT))
    _first_step: float = 0.0
    _expected_step: float = 0.0
    _evaluation: float = 0.0
    _save: float | None = None

    def expect(self, step_seconds: float, evaluation_seconds: float) -> None:
        """What they took in earlier attempts stands for both until this one has measured its own."""
        self._expected_step, self._evaluation = step_seconds, evaluation_seconds

    def stepped(self, seconds: float) -> None:
        """An optimizer step took so long, without what was measured or saved meanwhile."""
        if self._first_step:
            self._steps.append(seconds)
        else:
            self._first_step = seconds

    def evaluated(self, seconds: float) -> None:
        """So did a validation with its answers; the last counts, for answers become shorter."""
        self._evaluation = seconds

    def saved(self, seconds: float) -> None:
        """And a checkpoint."""
        self._save = seconds

    @property
    def next_step(self) -> float:
        """What the next step is likely to take, with a margin."""
        return _STEP_MARGIN * median(self._steps) if self._steps else self._first_step or self._expected_step

    @property
    def next_evaluation(self) -> float:
        """What the evaluation behind it is likely to take, with a margin."""
        return _EVALUATION_MARGIN * self._evaluation

    @property
    def closing(self) -> float:
        """What checkpoint, archive and leaving will take."""
        save = self._save
        if save is None:
            save = self.checkpoint_bytes / _SLOW_BYTES_PER_SECOND + _LEAST_SAVE_SECONDS
        # A clock of coarse ticks may tell that a checkpoint took no time.
        rate = max(_SLOW_BYTES_PER_SECOND, self.checkpoint_bytes / save) if save else _SLOW_BYTES_PER_SECOND
        return save + _ARCHIVE_PASSES * self.export_bytes / rate + self.leaving_seconds

    def allows_step(self, now: float) -> bool:
        """Whether another step, an evaluation behind it and closing still fit."""
        return now + self.next_step + self.next_evaluation + self.closing <= self.ends_at

    def allows_step_behind_evaluation(self, now: float) -> bool:
        """The same once a due evaluation was made before that step, a slow one too."""
        return self.allows_step(now + _DUE_EVALUATION_MARGIN * self._evaluation)

    def allows_evaluation(self, now: float) -> bool:
        """Whether an evaluation and closing still fit."""
        return now + self._evaluation + self.closing <= self.ends_at

    def allows_going_on(self, now: float) -> bool:
        """Within an evaluation: whether there is more time left than closing takes."""
        return now + self.closing <= self.ends_at

    def forecast(self, now: float, seconds_left: float) -> float | None:
        """By how many seconds all that is left will pass the cap; None while it will not, or the pace is not known."""
        beyond = now + seconds_left + self.closing - self.ends_at
        left = max(0.0, self.ends_at - now)
        is_clear = beyond > _FORECAST_SLACK * (left + beyond)
        return beyond if is_clear and len(self._steps) >= _STEPS_FOR_A_FORECAST else None
