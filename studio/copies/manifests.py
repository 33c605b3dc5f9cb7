"""What a backup says of itself; the manifest is written last, so that a backup without one was never finished."""

from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict

MANIFEST_NAME = "manifest.json"
DATABASE_NAMES = {"sqlite": "tunewright.sqlite", "postgresql": "tunewright.pgdump"}


def _checked_name(name: str) -> str:
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\\" in name or str(PurePosixPath(name)) != name:
        raise ValueError("not a name within the data folder")
    return name


class Entry(BaseModel):
    """One file of a backup."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, AfterValidator(_checked_name)]
    size_bytes: int
    sha256: str


class BackupManifest(BaseModel):
    """What a backup holds. `missing` names what was missing or damaged already when it was made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    version: str
    created_at: str
    dialect: Literal["sqlite", "postgresql"]
    revision: str
    catalogue_sha256: str
    database: Entry
    files: tuple[Entry, ...]
    missing: tuple[str, ...]

    @property
    def size_bytes(self) -> int:
        """Of everything."""
        return self.database.size_bytes + sum(entry.size_bytes for entry in self.files)

    def to_bytes(self) -> bytes:
        """The manifest as a file."""
        return self.model_dump_json(indent=2).encode() + b"\n"
