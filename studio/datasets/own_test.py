"""Test rows from a file of one's own: the file is a dataset of its own, whose rows a new version takes to test with."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from studio.actors import Actor
from studio.datasets.catalogue import get_version
from studio.datasets.models import Dataset, DatasetVersion
from studio.datasets.recipe import AddTest, Recipe, read_recipe
from studio.errors import InvalidInput, NotFound

_MOST_SHOWN = 200
_FIELD = "recipe.0.dataset_version_id"


def datasets_to_test_with(session: Session, actor: Actor, version: DatasetVersion) -> list[Dataset]:
    """The person's other datasets whose newest rows are of the same kind, newest first."""
    query = select(Dataset).where(Dataset.owner_id == actor.id, Dataset.id != version.dataset_id)
    found = session.scalars(query.order_by(Dataset.id.desc()).limit(_MOST_SHOWN))
    return [dataset for dataset in found if dataset.latest.canonical == version.canonical]


def with_source(session: Session, actor: Actor, version: DatasetVersion, recipe: Recipe) -> Recipe:
    """The recipe whose step says which rows it takes by name and hash; raises InvalidInput for rows of another kind."""
    step = added_test(recipe)
    if step is None:
        return recipe
    if len(recipe) > 1:
        raise _refused("Taking test rows is no step among others; make a version with them first.")
    try:
        source = get_version(session, actor, step.dataset_version_id)
    except NotFound:
        raise _refused("There is no such version of a dataset.") from None
    if source.dataset_id == version.dataset_id:
        raise _refused("A dataset cannot be tested with its own rows; split it anew instead.")
    if source.canonical != version.canonical:
        raise _refused(
            f"The rows of {source.dataset.name} are {source.canonical}, and those of this dataset {version.canonical}."
        )
    return (step.model_copy(update={"name": source.dataset.name, "sha256": source.sha256}),)


def added_test(recipe: Sequence[object]) -> AddTest | None:
    """The step that takes test rows from elsewhere, if there is one."""
    return next((step for step in recipe if isinstance(step, AddTest)), None)


def taken_tests(version: DatasetVersion) -> list[AddTest]:
    """What this version, or one that it comes from, took from elsewhere to test with, the last first."""
    known = {one.id: one for one in version.dataset.versions}
    steps: list[AddTest] = []
    at: DatasetVersion | None = version
    while at is not None:
        step = added_test(read_recipe(at.recipe)) if at.recipe else None
        steps += [step] if step else []
        at = known.get(at.parent_id) if at.parent_id else None
    return steps


def tests_with(version: DatasetVersion, other: DatasetVersion) -> bool:
    """Whether a version is tested with rows of the other one's dataset."""
    taken = {step.dataset_version_id for step in taken_tests(version)}
    return any(one.id in taken for one in other.dataset.versions)


def _refused(sentence: str) -> InvalidInput:
    return InvalidInput(sentence, fields={_FIELD: sentence})
