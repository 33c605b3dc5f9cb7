"""Find rows by a text, without an index: one pass over the file that is cut into pieces of about a second."""

import json
import time
from dataclasses import dataclass

from studio.datasets.models import DatasetVersion
from studio.formats.canonical import OFFSET_BYTES
from studio.storage import Storage

LONGEST_TEXT = 200
_LOOK_AT_CLOCK_EVERY = 256


@dataclass(frozen=True, slots=True)
class FoundRows:
    """Places of rows (from 0) that hold the text; `end` is where the next piece begins, None at the end of the file."""

    places: list[int]
    end: int | None


def search_rows(
    version: DatasetVersion, text: str, *, storage: Storage, start: int = 0, limit: int = 10, seconds: float = 1.0
) -> FoundRows:
    """Rows from the `start`-th (from 0) on whose texts or keys hold `text`, whatever the case of its letters.

    Stops after `limit` rows or `seconds`; some 400 MB a second are searched for ASCII.
    """
    # Rows are kept as JSON: what JSON escapes is looked for as it is escaped.
    wanted = json.dumps(text[:LONGEST_TEXT], ensure_ascii=False)[1:-1].lower()
    needle, is_ascii = wanted.encode(), wanted.isascii()
    deadline, places = time.monotonic() + seconds, list[int]()
    with storage.open(version.offsets_key) as offsets, storage.open(version.rows_key) as rows:
        offsets.seek(start * OFFSET_BYTES)
        rows.seek(int.from_bytes(offsets.read(OFFSET_BYTES), "little") if start < version.row_count else 0, 0)
        for place in range(start, version.row_count):
            line = rows.readline()
            if needle in line.lower() if is_ascii else wanted in line.decode().lower():
                places.append(place)
            if len(places) >= limit or (place % _LOOK_AT_CLOCK_EVERY == 0 and time.monotonic() > deadline):
                return FoundRows(places, place + 1 if place + 1 < version.row_count else None)
    return FoundRows(places, None)
