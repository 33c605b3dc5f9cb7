"""What a run is launched on beside its spec."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from studio.runs.models import Run
from studio.runs.plan import TRIAL_STEPS


@dataclass(frozen=True, slots=True)
class Terms:
    """Kept on the run's row as the person saw it."""

    kind: Literal["training", "trial"] = "training"
    quote: dict[str, Any] = field(default_factory=dict)
    license_statement: str = ""
    ladder_id: str | None = None
    rung: int | None = None

    def put_on(self, run: Run) -> None:
        """Write them onto a new run; a trial makes steps of its own."""
        for name, value in asdict(self).items():
            setattr(run, name, value)
        if self.kind == "trial":
            run.total_steps = TRIAL_STEPS
            # A worker of version 0.1 would train the whole run; a name that it does not know stops it.
            run.spec = {"budget": {}, **run.spec}
