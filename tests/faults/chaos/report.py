"""What chaos came to: each fault with its recovery times, and the ledger, as JSON that can be kept."""

import json
import math
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.faults.chaos.ledger import Count

# What each part of a recovery may take at most, in seconds: over this share of all faults, in percent.
_LIMITS = {
    "gone": (100, 5.0),
    # The worker's own process, and the forkserver: 0.6 GB of imports, which Python takes its time to leave.
    "all_gone": (100, 15.0),
    "requeue": (100, 10.0),
    "next_metric": (95, 10.0),
    "left": (100, 60.0),
    "zombie_trainer_gone": (100, 15.0),
    "start_while_down": (100, 60.0),
    "start_when_back": (100, 35.0),
    "hint_taken": (100, 60.0),
    # Without hints, an idle worker looks each 30 s.
    "start_by_hint": (100, 10.0),
    "cancel": (100, 20.0),
    "pause": (100, 60.0),
    "keep": (100, 60.0),
}
# Where a worker is gone, another one has to notice first.
_LONGER = {"requeue": (100, 75.0), "next_metric": (95, 90.0)}


@dataclass(slots=True)
class Fault:
    """One fault: when it struck, and how many seconds each part of the recovery took."""

    kind: str
    moment: str
    run_id: str
    epoch: int
    phase: str = ""
    step: int = 0
    at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="milliseconds"))
    seconds: dict[str, float] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def expect(self, name: str, found: object, wanted: object) -> None:
        """Keep a fact, and that it is not the one it should be."""
        self.facts[name] = found
        if found != wanted:
            self.wrong.append(f"{self.kind}, {self.moment}, {self.run_id}: {name} is {found}, not {wanted}")


@dataclass(slots=True)
class Report:
    """All faults of one kind, with the seed that chose their instants."""

    name: str
    seed: int
    faults: list[Fault]
    count: Count
    worker_is_lost: bool = False

    def percentile(self, part: str, percent: float) -> float:
        """The nearest-rank percentile of one part of the recovery."""
        seconds = sorted(self._seconds(part))
        return seconds[max(0, math.ceil(len(seconds) * percent / 100) - 1)] if seconds else 0.0

    def summary(self) -> dict[str, Any]:
        """Counts and figures."""
        parts = sorted({part for fault in self.faults for part in fault.seconds})
        moments = [fault.moment for fault in self.faults]
        return {
            "name": self.name,
            "seed": self.seed,
            "faults": len(self.faults),
            "by_moment": {moment: moments.count(moment) for moment in sorted(set(moments))},
            "ledger": self.count.as_json(),
            "wrong": [problem for fault in self.faults for problem in fault.wrong],
            "seconds": {
                part: {
                    "n": len(self._seconds(part)),
                    "median": round(self.percentile(part, 50), 2),
                    "p95": round(self.percentile(part, 95), 2),
                    "max": round(self.percentile(part, 100), 2),
                }
                for part in parts
            },
        }

    def as_json(self) -> dict[str, Any]:
        """The summary and every fault."""
        return {**self.summary(), "every_fault": [asdict(fault) for fault in self.faults]}

    def check(self) -> None:
        """Print the summary; fail when the ledger is not 0 / 0 / 0 / n, a fact is wrong, or a part took too long."""
        print(json.dumps(self.summary(), indent=1))
        wrong = [problem for fault in self.faults for problem in fault.wrong]
        for part, (percent, limit) in (_LIMITS | (_LONGER if self.worker_is_lost else {})).items():
            took = self.percentile(part, percent)
            if took > limit:
                wrong.append(f"{part} took {took:.1f} s at {percent} %, more than {limit:g} s")
        problems = [*self.count.problems, *wrong]
        assert not problems, f"seed {self.seed}\n" + "\n".join(problems)

    def _seconds(self, part: str) -> list[float]:
        return [fault.seconds[part] for fault in self.faults if part in fault.seconds]
