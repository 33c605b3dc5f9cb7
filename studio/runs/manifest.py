"""Folders that are whole or not there: files, then a manifest with their hashes, then one rename.

A folder without a manifest that verifies does not exist, whatever else it holds.
"""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from studio.errors import StudioError
from studio.storage import disk_space_told, fsync_above, fsync_dir, fsync_file, sha256_of

MANIFEST_FILE = "manifest.json"


class Damaged(StudioError):
    """A folder is not what its manifest says, or its manifest not what the database says."""

    code = "damaged"


class ManifestFile(BaseModel):
    """One file of the folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    size_bytes: int
    sha256: str


class Manifest(BaseModel):
    """What a folder holds, and facts about it (format, run, step, environment)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: tuple[ManifestFile, ...]
    facts: dict[str, Any]

    @property
    def size_bytes(self) -> int:
        """Of all files."""
        return sum(file.size_bytes for file in self.files)


def publish_folder(temporary: Path, final: Path, facts: dict[str, Any]) -> tuple[str, int]:
    """Sync the files of `temporary`, write their manifest last, and rename; returns the manifest's SHA-256 and bytes.

    Until the rename nothing is at `final`; after it everything is, also after a power cut.
    """
    with disk_space_told():
        paths = sorted(temporary.iterdir())
        for path in paths:
            fsync_file(path)
        files = tuple(ManifestFile(name=p.name, size_bytes=p.stat().st_size, sha256=sha256_of(p)) for p in paths)
        manifest = Manifest(files=files, facts=facts)
        text = json.dumps(manifest.model_dump(mode="json"), indent=2, sort_keys=True, allow_nan=False) + "\n"
        with (temporary / MANIFEST_FILE).open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        fsync_dir(temporary)
        temporary.rename(final)
        fsync_above(final)
    return hashlib.sha256(text.encode()).hexdigest(), manifest.size_bytes


def verify_folder(
    folder: Path,
    manifest_sha256: str | None = None,
    *,
    check: Callable[[], None] | None = None,
    hashes: bool = True,
) -> Manifest:
    """Read the manifest and hash every file; raises Damaged with the first thing that is wrong.

    `check` is called at every 8 MiB and may raise to give up. Without `hashes` only the manifest itself, the names and
    the sizes are looked at.
    """
    try:
        content = (folder / MANIFEST_FILE).read_bytes()
    except OSError as error:
        raise Damaged(f"{folder.name} has no manifest.") from error
    if manifest_sha256 is not None and hashlib.sha256(content).hexdigest() != manifest_sha256:
        raise Damaged(f"The manifest of {folder.name} is not the one that was recorded.")
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        raise Damaged(f"The manifest of {folder.name} cannot be read.") from error
    for file in manifest.files:
        path = folder / file.name
        if path.parent != folder or not path.is_file() or path.stat().st_size != file.size_bytes:
            raise Damaged(f"{folder.name}/{file.name} is missing or has another size.")
        if hashes and sha256_of(path, check) != file.sha256:
            raise Damaged(f"{folder.name}/{file.name} is damaged: its SHA-256 differs.")
    return manifest
