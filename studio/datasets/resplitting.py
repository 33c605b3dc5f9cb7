"""A new split of the same rows: tried first, then kept as a version that shares the files of its parent."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from studio import chores
from studio.actors import Actor
from studio.chores import Chore, ChoreLease
from studio.datasets.checkups import checkup_key
from studio.datasets.keys import NewFiles
from studio.datasets.models import Dataset, DatasetVersion
from studio.datasets.recipe import recipe_key, write_recipe
from studio.datasets.split_plan import SplitRows
from studio.datasets.splits import Split, codes_key
from studio.datasets.versions import SHARED, add_version, locked, versions_of
from studio.errors import InvalidInput, NotFound
from studio.queue import Queue
from studio.splitting import CODES_FILE
from studio.storage import Storage, sha256_of

# The answer itself, for datasets whose answers are few: labels.
ANSWER_FIELD = "answer"


def fields_of(version: DatasetVersion) -> list[str]:
    """What the rows can be split by: the extra columns that were kept, and the answer."""
    return [*version.facts.get("fields", ()), *([ANSWER_FIELD] if version.canonical != "text" else [])]


def ask_split(
    session: Session, actor: Actor, version: DatasetVersion, plan: SplitRows, *, queue: Queue, publish: bool
) -> Chore:
    """Try a split, or make the next version with it; asked twice, it is done once. Raises InvalidInput."""
    if plan.way != "random" and plan.field not in fields_of(version):
        sentence = f"The rows have no field {plan.field}. Pick one of {', '.join(fields_of(version)) or 'none'}."
        raise InvalidInput(sentence, fields={"split.field": sentence})
    key = recipe_key(version.id, checkup_key(version), (plan,), publish=publish)
    params = {"version_id": version.id, "plan": plan.model_dump(mode="json"), "publish": publish}
    return chores.ask(session, actor, "splitting", key, params, queue=queue, version_id=version.id)


def get_splitting(session: Session, actor: Actor, dataset: Dataset, chore_id: str) -> tuple[Chore, DatasetVersion]:
    """A splitting of a dataset, and the version that it splits; raises NotFound."""
    chore = chores.get_chore(session, actor, chore_id)
    parent = next((version for version in dataset.versions if version.id == chore.version_id), None)
    if chore.kind != "splitting" or parent is None:
        raise NotFound("There is no such work on this dataset.")
    return chore, parent


def publish_split(
    session: Session, storage: Storage, lease: ChoreLease, folder: Path, result: Mapping[str, Any], *, queue: Queue
) -> DatasetVersion:
    """Store the codes and make the next version, or find the one that this plan made before.

    Flushes; its checkup is asked for. Raises NotFound when the dataset is gone.
    """
    parent = session.get(DatasetVersion, lease.version_id)
    if parent is None or session.scalar(locked(parent.dataset_id)) is None:
        raise NotFound("The dataset is gone.")
    recipe = write_recipe((SplitRows.model_validate(lease.params["plan"]),))
    versions = versions_of(session, parent.dataset_id)
    for known in versions:
        if (known.parent_id, known.recipe) == (parent.id, recipe):
            return known
    codes_sha256 = sha256_of(folder / CODES_FILE)
    plan = recipe[0]
    split = Split(
        validation_fraction=plan["validation_fraction"],
        test_fraction=plan["test_fraction"],
        seed=plan["seed"],
        codes_sha256=codes_sha256,
        sizes=tuple(result["sizes"]),
    )
    shared = {name: getattr(parent, name) for name in SHARED}
    own = {"split": split.model_dump(mode="json"), "split_sha256": codes_sha256}
    made = {"dataset_id": parent.dataset_id, "owner_id": parent.owner_id, "parent_id": parent.id, "recipe": recipe}
    version = DatasetVersion(**(shared | own | made), number=versions[-1].number + 1)
    NewFiles(session, storage).store(folder / CODES_FILE, codes_key(codes_sha256))
    add_version(session, version, queue)
    return version
