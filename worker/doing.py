"""How the chores of each kind are done: which child is given what, and what is kept of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from studio import chores, datasets
from studio.actors import Actor
from studio.chores import ChoreLease
from studio.datasets import DatasetVersion
from studio.db import reading, transaction
from studio.errors import NotFound
from worker.bench import Bench
from worker.chores import Doer, Work
from worker.importing import Import
from worker.tokens_doing import CountTokens

# A dataset of 5 million rows takes some 20 bytes a row and check.
_CHECKS_MEMORY_BYTES = 2 << 30


class Checkup:
    """The checks of a version."""

    def begin(self, bench: Bench, lease: ChoreLease, folder: Path) -> Work:
        """Hand the rows and their split to the child."""
        version = _version(bench, lease)
        codes = folder / "split.codes"
        codes.write_bytes(datasets.version_split_codes(version, storage=bench.storage))
        request = {
            "rows": str(bench.storage.path(version.rows_key)),
            "split_codes": str(codes),
            "row_count": version.row_count,
            "canonical": version.canonical,
        }
        return Work(request, module="studio.checks", memory_bytes=_CHECKS_MEMORY_BYTES)

    def store(self, bench: Bench, lease: ChoreLease, folder: Path, result: dict[str, Any]) -> None:
        """Findings first, then the row that tells of them."""
        datasets.keep_findings(bench.settings.cache_dir, lease, folder)
        with transaction(bench.session_factory) as session:
            chores.finish(session, lease, result)


class Mending:
    """A recipe: tried, or made into the next version."""

    def begin(self, bench: Bench, lease: ChoreLease, folder: Path) -> Work:
        """Hand the rows, their split, what was found in them, and the steps to the child."""
        version = _version(bench, lease)
        codes = folder / "parent.codes"
        codes.write_bytes(datasets.version_split_codes(version, storage=bench.storage))
        steps = datasets.read_recipe(lease.params["recipe"])
        plain = datasets.write_recipe(steps)
        request = {
            "rows": str(bench.storage.path(version.rows_key)),
            "offsets": str(bench.storage.path(version.offsets_key)),
            "split_codes": str(codes),
            "findings": str(datasets.findings_folder(bench.settings.cache_dir, version)),
            "row_count": version.row_count,
            "canonical": version.canonical,
            "shape": version.shape,
            "steps": [step | {"sentence": told.sentence()} for step, told in zip(plain, steps, strict=True)],
            "publish": lease.params["publish"],
            "test": _test_rows(bench, lease, steps),
        }
        return Work(request, module="studio.mending", memory_bytes=_CHECKS_MEMORY_BYTES)

    def store(self, bench: Bench, lease: ChoreLease, folder: Path, result: dict[str, Any]) -> None:
        """Keep what would change, or the new version with its files."""
        if not lease.params["publish"]:
            datasets.keep_changes(bench.settings.cache_dir, lease, folder)
            with transaction(bench.session_factory) as session:
                chores.finish(session, lease, result)
            return
        with transaction(bench.session_factory) as session:
            made = datasets.publish_mended(session, bench.storage, lease, folder, result, queue=bench.queue)
            chores.finish(session, lease, result | {"version_id": made.id, "number": made.number})


class Splitting:
    """A new split of the same rows: tried, or made into the next version."""

    def begin(self, bench: Bench, lease: ChoreLease, folder: Path) -> Work:
        """Hand the rows, their present split and what is similar among them to the child."""
        version = _version(bench, lease)
        codes = folder / "parent.codes"
        codes.write_bytes(datasets.version_split_codes(version, storage=bench.storage))
        findings = datasets.findings_folder(bench.settings.cache_dir, version)
        request = {
            "rows": str(bench.storage.path(version.rows_key)),
            "row_count": version.row_count,
            "old_codes": str(codes),
            "findings": str(findings) if findings.is_dir() else None,
            "plan": lease.params["plan"],
        }
        return Work(request, module="studio.splitting", memory_bytes=_CHECKS_MEMORY_BYTES)

    def store(self, bench: Bench, lease: ChoreLease, folder: Path, result: dict[str, Any]) -> None:
        """Say how the rows would be dealt out, or make the version."""
        with transaction(bench.session_factory) as session:
            if lease.params["publish"]:
                made = datasets.publish_split(session, bench.storage, lease, folder, result, queue=bench.queue)
                result = result | {"version_id": made.id, "number": made.number}
            chores.finish(session, lease, result)


class Comparing:
    """What differs between two versions with many rows."""

    def begin(self, bench: Bench, lease: ChoreLease, folder: Path) -> Work:
        """Hand the files of origins to the child."""
        with reading(bench.session_factory) as session:
            before, after = (session.get(DatasetVersion, lease.params[side]) for side in ("before", "after"))
            if before is None or after is None:
                raise NotFound("The dataset is gone.")
            request = datasets.difference_request(before, after, storage=bench.storage)
        return Work(request, module="studio.comparing")

    def store(self, bench: Bench, lease: ChoreLease, folder: Path, result: dict[str, Any]) -> None:
        """Keep the numbers of the rows, then say how many there are."""
        datasets.keep_difference(bench.settings.cache_dir, lease, folder)
        with transaction(bench.session_factory) as session:
            chores.finish(session, lease, result)


DOERS: Mapping[str, Doer] = {
    "checkup": Checkup(),
    "comparing": Comparing(),
    "import": Import(),
    "mending": Mending(),
    "splitting": Splitting(),
    "tokens": CountTokens(),
}


def _test_rows(bench: Bench, lease: ChoreLease, steps: datasets.Recipe) -> dict[str, Any] | None:
    """Where the rows lie that a recipe takes from another dataset."""
    step = datasets.added_test(steps)
    if step is None:
        return None
    with reading(bench.session_factory) as session:
        source = datasets.get_version(session, Actor(id=lease.owner_id), step.dataset_version_id)
        fields = list(source.facts.get("fields", ()))
        return {"rows": str(bench.storage.path(source.rows_key)), "row_count": source.row_count, "fields": fields}


def _version(bench: Bench, lease: ChoreLease) -> DatasetVersion:
    with reading(bench.session_factory) as session:
        version = session.get(DatasetVersion, lease.version_id)
        if version is None:
            raise NotFound("The dataset is gone.")
        return version
