"""What goes down a stream of server-sent events: each frame is encoded once for all viewers."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from studio.runs import NewPoint, Standing

# An event and not a comment, so that a page can tell a silent run from a dead connection.
PING = b"event: ping\ndata: {}\n\n"


@dataclass(frozen=True, slots=True)
class Bulletin:
    """One piece of news for those who know all up to `after`; afterwards they know all up to `upto`.

    `closing` is for those who know the points already: it tells of the rest.
    """

    after: int
    upto: int
    body: bytes
    closing: bytes


def greeting(seq: int | None) -> bytes:
    """The first frame: the browser waits a second before it reconnects, and then says what it knows."""
    return b"retry: 1000\n" + (b"" if seq is None else b"id: %d\n" % seq) + b"\n"


def event(kind: str, seq: int, data: str = "{}") -> bytes:
    """One event; `data` is on one line."""
    return f"id: {seq}\nevent: {kind}\ndata: {data}\n\n".encode()


def encode(after: int, upto: int, standing: Standing, points: Sequence[NewPoint], *, is_changed: bool) -> Bulletin:
    """Points, or `reset` in their place when older ones may be hidden now; then `changed`, if anything else did."""
    closing = event("changed", upto) if is_changed else b""
    told = _points_event(points, upto) if points else b""
    if standing.is_rewritten:
        told = event("reset", upto)
    return Bulletin(after, upto, told + closing, closing)


def _points_event(points: Sequence[NewPoint], seq: int) -> bytes:
    payload = [[point.name, point.step, point.value, point.kind] for point in points]
    return event("points", seq, json.dumps(payload, allow_nan=False, separators=(",", ":")))
