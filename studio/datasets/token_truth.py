"""What a base model's tokenizer makes of a version: how long its rows are, what is learned, and the tokens of a row.

A chore fills the cache of tokenised rows and leaves sums beside it, so that any longest row is answered by a few seeks,
however many rows there are, and without a tokenizer.
"""

import hashlib
import json
import shutil
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy import select
from sqlalchemy.orm import Session

from studio import chores
from studio.actors import Actor
from studio.chores import Chore, ChoreLease
from studio.datasets.models import DatasetVersion
from studio.queue import Queue

# Part of the key of a profile: to be raised when the child writes other files.
PROFILE_VERSION = 1
PROFILES_FOLDER = "profiles"
PROFILE_FOLDER = "profile"
SUMS_FILE = "sums.u64"
LONGEST_FILE = "longest.u32"
UNTAUGHT_FILE = "untaught.u32"
NOTHING_LEARNED = 2**32 - 1
ROUNDED_TO = 64
LONGEST_ALLOWED = 131_072
_SUMS = ("rows", "taught", "tokens", "trained")
_ALL, _TRAIN = 0, 1


@dataclass(frozen=True, slots=True)
class Truth:
    """What one longest row makes of all rows; tokens are counted once, as in one epoch.

    `cut_rows` lose a part of an answer and still teach; `untaught_rows` teach nothing and are left out.
    """

    max_length: int
    rows: int
    whole_rows: int
    cut_rows: int
    untaught_rows: int
    trained: int
    masked: int
    cut: int
    epoch_rows: int
    epoch_tokens: int
    epoch_trained: int

    @property
    def tokens(self) -> int:
        """All tokens of all rows."""
        return self.trained + self.masked + self.cut


@dataclass(frozen=True, slots=True)
class Bar:
    """So many rows have from `first` to `last` tokens."""

    first: int
    last: int
    rows: int


@dataclass(frozen=True, slots=True)
class LongRow:
    """A row (from 1) with its length in tokens, or with the place of its first learned token (None: it has none)."""

    row: int
    tokens: int | None


def profile_key(version: DatasetVersion, base_model: str, train_on: str) -> str:
    """Changes with the rows, their split, the base model and what is learned."""
    parts = [PROFILE_VERSION, version.sha256, version.split, base_model, train_on]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def ask_profile(
    session: Session,
    actor: Actor,
    version: DatasetVersion,
    base_model: str,
    train_on: str = "answers",
    *,
    queue: Queue,
    cache: Path | None = None,
    again: bool = False,
) -> Chore:
    """Have the tokens of a version counted, unless they are or were; `again` counts anew.

    With `cache`, what was counted and is not kept any more is counted anew, too.
    """
    params = {"version_id": version.id, "base_model": base_model, "train_on": train_on}
    key = profile_key(version, base_model, train_on)
    again = again or (cache is not None and not (cache / PROFILES_FOLDER / key / SUMS_FILE).is_file())
    return chores.ask(session, actor, "tokens", key, params, queue=queue, version_id=version.id, again=again)


def profile_of(
    session: Session, actor: Actor, version: DatasetVersion, base_model: str, train_on: str = "answers"
) -> Chore | None:
    """The newest count for a base model, in whatever state it is."""
    return chores.newest(session, actor, "tokens", profile_key(version, base_model, train_on))


def last_profile(session: Session, actor: Actor, version: DatasetVersion) -> Chore | None:
    """The newest count of a version, for whatever base model."""
    query = select(Chore).where(Chore.owner_id == actor.id, Chore.kind == "tokens", Chore.version_id == version.id)
    return session.scalar(query.order_by(Chore.id.desc()).limit(1))


def keep_profile(cache: Path, lease: ChoreLease, folder: Path) -> None:
    """Move what the child left into the cache; the files of an earlier time are replaced."""
    target = cache / PROFILES_FOLDER / lease.key
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(target, ignore_errors=True)
    (folder / PROFILE_FOLDER).rename(target)


def smallest_for(tokens: int) -> int:
    """The smallest longest row that is offered for rows of so many tokens."""
    return min(LONGEST_ALLOWED, max(ROUNDED_TO, -(-tokens // ROUNDED_TO) * ROUNDED_TO))


@dataclass(frozen=True, slots=True)
class Profile:
    """The files of one count, read by seeks; `result` is what its chore reported."""

    folder: Path
    result: dict[str, Any]

    @classmethod
    def open(cls, cache: Path, chore: Chore) -> "Profile | None":
        """The profile of a chore that is done; None when the cache has been cleared."""
        folder = cache / PROFILES_FOLDER / chore.key
        return cls(folder, chore.result) if (folder / SUMS_FILE).is_file() else None

    @property
    def suggestion(self) -> int:
        """The smallest longest row that keeps 99 of 100 rows whole."""
        return int(self.result["suggestion"])

    def at(self, max_length: int) -> Truth:
        """What a longest row of so many tokens makes of the rows."""
        with (self.folder / SUMS_FILE).open("rb") as sums:
            whole, taught, tokens, trained = (self._sum(sums, _ALL, name, max_length) for name in _SUMS)
            epoch = [self._sum(sums, _TRAIN, name, max_length) for name in _SUMS]
        rows = int(self.result["rows"])
        untaught = rows - taught
        return Truth(
            max_length=max_length,
            rows=rows,
            whole_rows=whole,
            # Rows that teach nothing at this length: those that never do, and longer ones.
            cut_rows=rows - whole - (untaught - int(self.result["never_taught"])),
            untaught_rows=untaught,
            trained=trained,
            masked=tokens - trained,
            cut=int(self.result["tokens"]) - tokens,
            epoch_rows=epoch[1],
            epoch_tokens=epoch[2],
            epoch_trained=epoch[3],
        )

    def histogram(self, last: int, bars: int) -> list[Bar]:
        """How many rows have so many tokens, in bars of one width up to `last`; the final one holds the rest."""
        width = max(1, -(-last // bars))
        longest = int(self.result["longest"])
        with (self.folder / SUMS_FILE).open("rb") as sums:
            ends = list(range(width, last + width, width))
            ends[-1] = max(longest, ends[-1])
            within = [self._sum(sums, _ALL, "rows", end) for end in ends]
        counts = [count - before for before, count in zip([0, *within], within, strict=False)]
        return [
            Bar(place * width + (place > 0), end, rows)
            for place, (end, rows) in enumerate(zip(ends, counts, strict=True))
        ]

    def cut_rows(self, max_length: int, *, start: int, limit: int) -> list[LongRow]:
        """Rows that are longer than this, the longest first."""
        count = int(self.result["rows"]) - self.at(max_length).whole_rows
        return self._ordered(LONGEST_FILE, start, min(limit, count - start))

    def untaught_rows(self, max_length: int, *, start: int, limit: int) -> list[LongRow]:
        """Rows without a learned token among their first ones."""
        return self._ordered(UNTAUGHT_FILE, start, min(limit, self.at(max_length).untaught_rows - start))

    def _sum(self, sums: BinaryIO, group: int, name: str, max_length: int) -> int:
        size = int(self.result["longest"]) + 1
        place = (group * len(_SUMS) + _SUMS.index(name)) * size + max(0, min(max_length, size - 1))
        sums.seek(8 * place)
        return int.from_bytes(sums.read(8), "little")

    def _ordered(self, name: str, start: int, limit: int) -> list[LongRow]:
        with (self.folder / name).open("rb") as stream:
            stream.seek(8 * start)
            found = struct.iter_unpack("<II", stream.read(8 * max(0, limit)))
            return [LongRow(row, value if value != NOTHING_LEARNED else None) for row, value in found]
