"""A browser's connection without the browser: it follows a run, reconnects, and counts what it is told."""

import json
import threading
import time
from collections import defaultdict

import httpx2

from tests.faults.metrics.generator import Key


class Follower(threading.Thread):
    """Follows until `done`; `told` holds every value that came for a point, so that one too many is seen."""

    def __init__(self, url: str, run_id: str, after: int) -> None:
        super().__init__(daemon=True)
        self.told: dict[Key, list[float | str]] = defaultdict(list)
        self.connections = 0
        self.resets = 0
        self.is_done = False
        self.is_closed = False
        self._url = f"{url}/runs/{run_id}/stream"
        self._cursor = str(after)

    def run(self) -> None:
        """Connect again after every end, as EventSource does."""
        while not self.is_done and not self.is_closed:
            try:
                self._follow()
            except httpx2.TransportError:
                time.sleep(0.2)

    def _follow(self) -> None:
        # The first event within the time that a ping takes, and a margin.
        with httpx2.stream(
            "GET", self._url, headers={"Last-Event-ID": self._cursor}, timeout=20, trust_env=False
        ) as answer:
            self.connections += 1
            answer.raise_for_status()
            event: dict[str, str] = {}
            for line in answer.iter_lines():
                if line:
                    name, _, value = line.partition(": ")
                    event[name] = value
                    continue
                self._take(event)
                event = {}
                if self.is_done or self.is_closed:
                    return

    def _take(self, event: dict[str, str]) -> None:
        self._cursor = event.get("id", self._cursor)
        kind = event.get("event")
        self.is_done = kind == "done"
        self.resets += kind == "reset"
        if kind == "points":
            for name, step, value, of_kind in json.loads(event["data"]):
                self.told[name, step].append(value if of_kind == "num" else of_kind)
