"""How many sick curves are found, how early, and how many healthy ones raise an alert: `python -m benchmarks.alerts`.

Curves are drawn from seeds that were not looked at while the thresholds were chosen. The time is that of one step.
"""

import sys
import time
from collections import defaultdict
from statistics import median

from benchmarks._studio import write_result
from studio.budget.watching import Found, Watch
from tests.budget.curves import Curve, healthy_curves, sick_curves

FIRST_SEED = 20_000


def main(of_each: int = 200) -> None:
    """Judge so many curves of each kind and of each healthy form."""
    points, seconds = 0, 0.0
    recall: dict[str, list[float]] = defaultdict(list)
    missed: dict[str, int] = defaultdict(int)
    beside: dict[str, int] = defaultdict(int)
    for curve in sick_curves(FIRST_SEED, of_each):
        found, took = _judge(curve)
        points, seconds = points + len(curve.points), seconds + took
        hit = [one.step / curve.course.steps for one in found if one.kind == curve.kind]
        recall[str(curve.kind)] += hit
        missed[str(curve.kind)] += not hit
        for one in found:
            beside[f"{one.kind} on {curve.kind}"] += one.kind != curve.kind
    false: dict[str, int] = defaultdict(int)
    healthy = 0
    for curve in healthy_curves(FIRST_SEED, of_each):
        found, took = _judge(curve)
        points, seconds, healthy = points + len(curve.points), seconds + took, healthy + 1
        for one in found:
            false[f"{one.kind} on {curve.name.rsplit(' ', 1)[0]}"] += 1
    kinds = {
        kind: {
            "curves": len(recall[kind]) + missed[kind],
            "found": len(recall[kind]),
            "recall": round(len(recall[kind]) / (len(recall[kind]) + missed[kind]), 3),
            "found_at_share_of_run": round(median(recall[kind]), 2),
        }
        for kind in recall
    }
    figures = {
        "kinds": kinds,
        "healthy": {
            "curves": healthy,
            "alerts": sum(false.values()),
            "per_40": round(40 * sum(false.values()) / healthy, 2),
        },
        "alerts_on_healthy": dict(sorted(false.items())),
        "other_alerts_on_sick": {name: count for name, count in sorted(beside.items()) if count},
        "microseconds_per_point": round(1e6 * seconds / points, 2),
    }
    write_result("alerts", figures)


def _judge(curve: Curve) -> tuple[list[Found], float]:
    watch, began = Watch(curve.course), time.perf_counter()
    for point in curve.points:
        watch.hear(*point)
    return watch.look(), time.perf_counter() - began


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
