"""What the checking child is asked and what it answers; both travel as JSON."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from studio.formats.kinds import FileKind
from studio.formats.limits import ImportLimits

Outcome = Literal[
    "accepted", "invalid", "unsupported", "too_large", "needs_mapping", "wrong_mapping", "disk_full", "given_up"
]
ROWS_FILE, OFFSETS_FILE, REPORT_FILE = "rows.jsonl", "rows.offsets", "report.json"


@dataclass(frozen=True, slots=True)
class Request:
    """One file to check; the results go into `folder`, which exists and is empty."""

    path: Path
    folder: Path
    kind: FileKind
    mapping: dict[str, str] | None
    """Target -> column; None takes what is recognised or safely guessed, an empty one asks in any case."""
    limits: ImportLimits
    keep_fields: bool = True
    """Keep what stands beside the shape; version 0.1 left it out, and makes its files again without it."""
    leave_out: bool = False
    """Leave rows with problems out, as long as half of the rows and two of them are fine."""

    @property
    def rows_limit_bytes(self) -> int:
        """How much the canonical rows may take: Parquet can repeat one text a million times in a small file."""
        if not self.kind.is_parquet:
            return self.limits.unpacked_limit_bytes
        believable = self.limits.expansion_ratio * self.path.stat().st_size
        return min(self.limits.unpacked_limit_bytes, max(self.limits.parquet_free_bytes, believable))

    def to_json(self) -> dict[str, Any]:
        """The request as plain JSON."""
        return asdict(self) | {"path": str(self.path), "folder": str(self.folder)}

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> "Request":
        """The request that was written with `to_json`."""
        return cls(
            path=Path(plain["path"]),
            folder=Path(plain["folder"]),
            kind=FileKind(**plain["kind"]),
            mapping=plain["mapping"],
            limits=ImportLimits(**plain["limits"]),
            keep_fields=plain["keep_fields"],
            leave_out=plain["leave_out"],
        )


@dataclass(frozen=True, slots=True)
class Report:
    """The child's answer: either the canonical files lie in the folder, or what is wrong."""

    outcome: Outcome
    message: str = ""
    problems: list[str] = field(default_factory=list)
    problem_count: int = 0
    good_rows: int = 0
    """How many rows of a refused file could be imported without the others; 0 if they are too few."""
    columns: dict[str, list[str]] = field(default_factory=dict)
    samples: list[dict[str, Any]] = field(default_factory=list)
    """Where the mapping is asked for: the first rows, shortened to 16 KiB in all."""
    fields: dict[str, str] = field(default_factory=dict)
    shape: str = ""
    canonical: str = ""
    mapping: dict[str, str] | None = None
    row_count: int = 0
    sha256: str = ""
    size_bytes: int = 0
    facts: dict[str, Any] = field(default_factory=dict)
