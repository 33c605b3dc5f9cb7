"""Stored files that rows name and that are missing or damaged; what can be made again from another file is."""

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from studio import datasets
from studio.datasets import DatasetVersion
from studio.db import reading
from studio.errors import NotFound, StudioError
from studio.house.findings import Finding, House
from studio.house.references import NamedFile, is_named, named_files
from studio.storage import sha256_of

_FROM_BACKUP = {
    "adapter": "It cannot be mended here: restore it from a backup, or run the training again.",
    "original": "It cannot be mended here: restore it from a backup. Trainings do not need it.",
    "arrival": "It cannot be mended here: restore it from a backup, or remove it from the page of datasets.",
    "mended": "It cannot be mended here: restore it from a backup, or apply its fixes to an older version again.",
    "origins": "It cannot be mended here: restore it from a backup. Only the difference between versions needs it.",
    "codes": "It cannot be mended here: restore it from a backup, or apply the fixes of its version again.",
}


def file_findings(house: House) -> Iterator[Finding]:
    """Hash every stored file that a row names."""
    with reading(house.session_factory) as session:
        files = named_files(session)
    for file in files:
        problem = _problem(house, file)
        # Deleted meanwhile, row and file: nothing is wrong.
        if problem and _is_still_named(house, file):
            yield _finding(house, file, problem)


def _problem(house: House, file: NamedFile) -> str:
    try:
        path = house.storage.path(file.key)
        if file.kind == "offsets":
            return "" if _offsets_are_right(house, file, path) else "does not fit the rows"
        return "" if sha256_of(path) == file.sha256 else "is damaged: its SHA-256 is not the recorded one"
    except (NotFound, FileNotFoundError):
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def _offsets_are_right(house: House, file: NamedFile, offsets: Path) -> bool:
    """Compare with the rows; where these are missing or damaged, they are the finding."""
    version = _version(house, file)
    if version is None:
        return True
    try:
        return datasets.offsets_fit(house.storage.path(version.rows_key), offsets)
    except (NotFound, FileNotFoundError):
        return True


def _finding(house: House, file: NamedFile, problem: str) -> Finding:
    sentence = f"{file.what} {problem} ({file.key})."
    mend = _mend(house, file)
    if mend is None:
        return Finding(sentence, _FROM_BACKUP[file.kind])
    source = "the upload" if file.kind == "rows" else "the rows"
    return Finding(sentence, f"It can be made again from {source}.", mend)


def _mend(house: House, file: NamedFile) -> Callable[[], bool] | None:
    if file.kind in _FROM_BACKUP:
        return None
    return partial(_make_again, house, file)


def _make_again(house: House, file: NamedFile) -> bool:
    version = _version(house, file)
    if version is None:
        return True
    house.settings.uploads_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="check-", dir=house.settings.uploads_dir) as folder:
        try:
            datasets.make_files_again(version, house.storage, Path(folder), only_offsets=file.kind == "offsets")
        except StudioError:
            return False
    return not _problem(house, file)


def _version(house: House, file: NamedFile) -> DatasetVersion | None:
    with reading(house.session_factory) as session:
        return session.get(DatasetVersion, file.row_id)


def _is_still_named(house: House, file: NamedFile) -> bool:
    with reading(house.session_factory) as session:
        return is_named(session, file.key)
