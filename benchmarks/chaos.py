"""Chaos on the real thing with full counts, or with given ones: what broke, how fast each recovered, and the ledger.

`python -m benchmarks.chaos` runs a small sample and keeps nothing; `--full` takes half an hour and writes the result;
`trainer=10 valkey=2` picks campaigns and their counts, and `postgresql=600` an outage of ten minutes.
"""

import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks._studio import write_result
from tests.faults.chaos.campaign import CAMPAIGNS, Campaign, Scene
from tests.faults.chaos.home import Home
from tests.faults.chaos.ledger import Ledger, Trajectory
from tests.worker.hub import serve_hub


def main(words: list[str]) -> None:
    """Run the campaigns in order and tell of each."""
    seed = random.SystemRandom().randrange(2**31)
    figures = dict(_run(_counts(words), seed))
    if "--full" in words:
        write_result("chaos", {"seed": seed, "campaigns": figures})
    failed = [name for name, figure in figures.items() if figure["failed"]]
    sys.exit(f"Failed: {', '.join(failed)}" if failed else 0)


def _counts(words: list[str]) -> dict[str, int]:
    picked = dict(word.split("=") for word in words if "=" in word)
    if picked:
        return {name: int(count) for name, count in picked.items()}
    return {name: campaign.full if "--full" in words else campaign.small for name, campaign in CAMPAIGNS.items()}


def _run(counts: dict[str, int], seed: int) -> Iterator[tuple[str, dict[str, Any]]]:
    trajectories: dict[str, Trajectory] = {}
    with tempfile.TemporaryDirectory(prefix="tw-chaos-") as folder, serve_hub() as hub:
        home = Home(Path(folder), TUNEWRIGHT_HUB_ENDPOINT=hub.url)
        try:
            for name, count in counts.items():
                print(f"== {name}, {count}")
                home.await_warm(2)
                scene = Scene(home, Ledger(home, trajectories), hub, seed)
                yield name, {"count": count, **_measure(CAMPAIGNS[name], scene, count)}
        finally:
            home.close()


def _measure(campaign: Campaign, scene: Scene, count: int) -> dict[str, Any]:
    """One campaign's report; one that fails does not end the others."""
    began, found = time.monotonic(), {"failed": ""}
    try:
        report = campaign.run(scene, count)
        found |= report.as_json()
        report.check()
    except AssertionError as error:
        print(error)
        found["failed"] = str(error)
    return {"took_seconds": round(time.monotonic() - began, 1), **found}


if __name__ == "__main__":
    main(sys.argv[1:])
