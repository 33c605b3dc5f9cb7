"""How many sick curves are found, how early, and how many healthy ones raise an alert: `python -m benchmarks.alerts`.

Curves are drawn from seeds that were not looked at while the thresholds were chosen. The time is that of one step.
"""

import sys
import time
from collections import Counter
from dataclasses import dataclass
from statistics import median

from benchmarks._studio import write_result
from studio.budget.watching import Found, Watch
from tests.budget.curves import Curve
from tests.budget.healthy import healthy_curves
from tests.budget.sick import sick_curves

FIRST_SEED = 20_000


@dataclass(frozen=True, slots=True)
class Judged:
    """What was found on a curve; `form` is the kind of a sick one, the form of a healthy one."""

    form: str
    steps: int
    found: list[Found]
    points: int
    seconds: float


def main(of_each: int = 200) -> None:
    """Judge so many curves of each kind and of each healthy form."""
    sick = [_judge(curve) for curve in sick_curves(FIRST_SEED, of_each)]
    healthy = [_judge(curve) for curve in healthy_curves(FIRST_SEED, of_each)]
    false = [f"{one.kind} on {judged.form}" for judged in healthy for one in judged.found]
    beside = [f"{one.kind} on {judged.form}" for judged in sick for one in judged.found if one.kind != judged.form]
    points, seconds = (sum(getattr(judged, name) for judged in sick + healthy) for name in ("points", "seconds"))
    figures = {
        "kinds": {kind: _recall(kind, sick) for kind in dict.fromkeys(judged.form for judged in sick)},
        "healthy": {
            "curves": len(healthy),
            "alerts": len(false),
            "per_40": round(40 * len(false) / len(healthy), 2),
        },
        "alerts_on_healthy": dict(sorted(Counter(false).items())),
        "other_alerts_on_sick": dict(sorted(Counter(beside).items())),
        "microseconds_per_point": round(1e6 * seconds / points, 2),
    }
    write_result("alerts", figures)


def _recall(kind: str, sick: list[Judged]) -> dict[str, float]:
    """How many curves of a kind are found, and how far the run is by then."""
    curves = [judged for judged in sick if judged.form == kind]
    found = [one.step / judged.steps for judged in curves for one in judged.found if one.kind == kind]
    return {
        "curves": len(curves),
        "found": len(found),
        "recall": round(len(found) / len(curves), 3),
        "found_at_share_of_run": round(median(found), 2),
    }


def _judge(curve: Curve) -> Judged:
    watch, began = Watch(curve.course), time.perf_counter()
    for point in curve.points:
        watch.hear(*point)
    seconds = time.perf_counter() - began
    form = curve.kind or curve.name.rsplit(" ", 1)[0]
    return Judged(form, curve.course.steps, watch.look(), len(curve.points), seconds)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
