"""Versions that come from others: a recipe is tried, then kept as a new version; undoing chooses an older one again.

Nothing is changed in place: a new version names its parent, the steps, and files of its own.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from studio import chores
from studio.actors import Actor
from studio.chores import Chore, ChoreLease
from studio.datasets.checkups import ask_checkup, checkup_key, checkup_of
from studio.datasets.edits import check_edit
from studio.datasets.keys import NewFiles
from studio.datasets.models import Dataset, DatasetVersion
from studio.datasets.own_test import with_source
from studio.datasets.recipe import ChooseParent, Edit, Recipe, RecipeStep, read_recipe, recipe_key, write_recipe
from studio.datasets.split_plan import SplitRows
from studio.datasets.splits import Split
from studio.errors import Conflict, InvalidInput, NotFound
from studio.formats.canonical import OFFSET_BYTES
from studio.formats.report import OFFSETS_FILE, ROWS_FILE
from studio.mending import CHANGES_FILE, CHANGES_OFFSETS_FILE, CODES_FILE, ORIGINS_FILE
from studio.queue import Queue
from studio.storage import Storage

MENDINGS_FOLDER = "mendings"
# Everything of a version that its rows and its upload settle, and that a version which equals it shares.
SHARED = (
    "file_name",
    "file_format",
    "file_size_bytes",
    "original_sha256",
    "shape",
    "canonical",
    "column_mapping",
    "sha256",
    "size_bytes",
    "row_count",
    "split",
    "split_sha256",
    "facts",
)


@dataclass(frozen=True, slots=True)
class ChangedRow:
    """One row that a recipe drops or changes, by its number in the parent, and the sentences of the steps."""

    row: int
    kind: str
    why: list[str]
    before: dict[str, Any]
    after: dict[str, Any] | None


def ask_mending(
    session: Session, actor: Actor, version: DatasetVersion, recipe: Recipe, *, queue: Queue, publish: bool, cache: Path
) -> Chore:
    """Try a recipe on a version, or make the next version by it; asked twice, it is done once.

    Raises InvalidInput for steps that cannot be done, and Conflict where a step needs a checkup that is not there.
    """
    _check_steps(session, actor, version, recipe)
    recipe = with_source(session, actor, version, recipe)
    key = recipe_key(version.id, checkup_key(version), recipe, publish=publish)
    params = {"version_id": version.id, "recipe": write_recipe(recipe), "publish": publish}
    lost = not publish and not (_folder(cache, key) / CHANGES_FILE).is_file()
    return chores.ask(session, actor, "mending", key, params, queue=queue, version_id=version.id, again=lost)


def get_mending(session: Session, actor: Actor, dataset: Dataset, chore_id: str) -> tuple[Chore, DatasetVersion]:
    """A mending of a dataset, and the version that it mends; raises NotFound."""
    chore = chores.get_chore(session, actor, chore_id)
    parent = next((version for version in dataset.versions if version.id == chore.version_id), None)
    if chore.kind != "mending" or parent is None:
        raise NotFound("There is no such work on this dataset.")
    return chore, parent


def keep_changes(cache: Path, lease: ChoreLease, folder: Path) -> None:
    """Move the changes that a try found into the cache."""
    target = _folder(cache, lease.key)
    target.mkdir(parents=True, exist_ok=True)
    for name in (CHANGES_OFFSETS_FILE, CHANGES_FILE):
        shutil.move(folder / name, target / name)


def read_changes(cache: Path, chore: Chore, *, start: int, limit: int) -> list[ChangedRow] | None:
    """Up to `limit` changes from the `start`-th (from 0); None when the cache has been cleared."""
    folder = _folder(cache, chore.key)
    try:
        with (folder / CHANGES_OFFSETS_FILE).open("rb") as offsets, (folder / CHANGES_FILE).open("rb") as lines:
            offsets.seek(start * OFFSET_BYTES)
            if not (begin := offsets.read(OFFSET_BYTES)):
                return []
            lines.seek(int.from_bytes(begin, "little"))
            found = (lines.readline() for _ in range(limit))
            return [ChangedRow(**json.loads(line)) for line in found if line]
    except FileNotFoundError:
        return None


def publish_mended(
    session: Session, storage: Storage, lease: ChoreLease, folder: Path, result: Mapping[str, Any], *, queue: Queue
) -> DatasetVersion:
    """Store the child's files and make the next version, or find the one that this recipe made before.

    Flushes; its checkup is asked for. Raises NotFound when the dataset is gone.
    """
    parent = session.get(DatasetVersion, lease.version_id)
    if parent is None or session.scalar(locked(parent.dataset_id)) is None:
        raise NotFound("The dataset is gone.")
    recipe = write_recipe(read_recipe(lease.params["recipe"]))
    versions = versions_of(session, parent.dataset_id)
    for known in versions:
        if (known.parent_id, known.recipe, known.sha256) == (parent.id, recipe, result["sha256"]):
            return known
    made = _made(parent, recipe, result, number=versions[-1].number + 1)
    files = NewFiles(session, storage)
    files.store(folder / ROWS_FILE, made.rows_key)
    files.store(folder / OFFSETS_FILE, made.offsets_key)
    for name, key in ((ORIGINS_FILE, made.origins_key), (CODES_FILE, made.codes_key)):
        assert key is not None
        files.store(folder / name, key)
    add_version(session, made, queue)
    return made


def use_again(
    session: Session, actor: Actor, dataset: Dataset, version: DatasetVersion, *, queue: Queue
) -> DatasetVersion:
    """Make a version that equals an older one the newest: rows and files are shared. Asked twice, it is done once."""
    session.scalar(locked(dataset.id))
    newest = versions_of(session, dataset.id)[-1]
    recipe = write_recipe((ChooseParent(version=version.number),))
    if newest.id == version.id or (newest.parent_id, newest.recipe) == (version.id, recipe):
        return newest
    shared = {name: getattr(version, name) for name in SHARED}
    made = DatasetVersion(
        owner_id=actor.id,
        dataset_id=dataset.id,
        number=newest.number + 1,
        parent_id=version.id,
        recipe=recipe,
        **shared,
    )
    add_version(session, made, queue)
    session.refresh(dataset, ["versions"])
    return made


def _check_steps(session: Session, actor: Actor, version: DatasetVersion, recipe: Recipe) -> None:
    for place, step in enumerate(recipe):
        _check_step(version, step, f"recipe.{place}")
    checkup = checkup_of(session, actor, version)
    is_checked = checkup is not None and checkup.status == "done"
    if not is_checked and any(hasattr(step, "check") for step in recipe):
        raise Conflict("These fixes need what the checks found. Check this version first.")


def _check_step(version: DatasetVersion, step: RecipeStep, where: str) -> None:
    if isinstance(step, ChooseParent | SplitRows):
        sentence = "Choosing an older version and splitting anew are no steps among others."
        raise InvalidInput(sentence, fields={f"{where}.do": sentence})
    if isinstance(step, Edit):
        check_edit(version.canonical, step.row, where)


def _made(
    parent: DatasetVersion, recipe: list[dict[str, Any]], result: Mapping[str, Any], *, number: int
) -> DatasetVersion:
    codes = result["codes_sha256"]
    split = Split.model_validate(parent.split | {"codes_sha256": codes, "sizes": result["sizes"]})
    inherited = {name: getattr(parent, name) for name in SHARED}
    found = {name: result[name] for name in ("shape", "canonical", "sha256", "size_bytes", "row_count", "facts")}
    # Fixes change texts and leave rows out; what stands beside the texts stays. Added rows may bring more.
    fields = dict.fromkeys([*parent.facts.get("fields", ()), *result.get("added_fields", ())])
    beside = {"fields": list(fields)} if "fields" in parent.facts or fields else {}
    beside |= {"source": parent.facts["source"]} if "source" in parent.facts else {}
    found["facts"] = found["facts"] | beside
    own = {"split": split.model_dump(mode="json"), "split_sha256": codes, "origins_sha256": result["origins_sha256"]}
    made = {"dataset_id": parent.dataset_id, "owner_id": parent.owner_id, "parent_id": parent.id, "number": number}
    return DatasetVersion(**(inherited | found | own | made), recipe=recipe)


def add_version(session: Session, version: DatasetVersion, queue: Queue) -> None:
    session.add(version)
    session.flush()
    ask_checkup(session, Actor(id=version.owner_id), version, queue=queue)


def versions_of(session: Session, dataset_id: str) -> list[DatasetVersion]:
    query = select(DatasetVersion).where(DatasetVersion.dataset_id == dataset_id).order_by(DatasetVersion.number)
    return list(session.scalars(query.execution_options(populate_existing=True)))


def locked(dataset_id: str) -> Any:
    """Two who add a version at once come one after the other; SQLite has one writer anyway."""
    return select(Dataset.id).where(Dataset.id == dataset_id).with_for_update()


def _folder(cache: Path, key: str) -> Path:
    return cache / MENDINGS_FOLDER / key
