"""Recipes over JSON: try one, see what it would change, make a version by it."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query

from app.api.models import ChoreOut, Out, TryIn, told
from app.deps import CurrentActor, CurrentServices, CurrentSession, DatasetInPath, MendingInPath
from studio import chores, datasets
from studio.chores import Chore
from studio.datasets import RecipeField, SplitName
from studio.errors import Conflict, NotFound

router = APIRouter(prefix="/datasets/{dataset_id}/mendings", tags=["datasets"])


class MendingIn(TryIn):
    """What to do to which version."""

    recipe: RecipeField


class StepOut(Out):
    """One step in words, and how many rows it drops and changes once that is known."""

    sentence: str
    dropped: int
    changed: int


class MendingOut(ChoreOut):
    """A recipe at work; the counts are 0 until it is done, and `made` numbers the version that it has made.

    `added` counts test rows from another dataset, `alike` the rows that were dropped as they ask the same as one.
    """

    version: int
    recipe: list[dict[str, Any]]
    publish: bool
    steps: list[StepOut]
    dropped: int
    changed: int
    added: int
    alike: int
    row_count: int
    split_sizes: dict[SplitName, int]
    made: int | None


class ChangeOut(Out):
    """A row that is dropped or changed, by its number in the version that is mended."""

    row: int
    kind: Literal["dropped", "changed"]
    why: list[str]
    before: dict[str, Any]
    after: dict[str, Any] | None


class ChangesOut(Out):
    """A page of changes; of `count` in all the first 1,000 are kept."""

    changes: list[ChangeOut]
    count: int


@router.post("", status_code=202, summary="Mend a dataset")
def mend(
    dataset: DatasetInPath, wanted: MendingIn, session: CurrentSession, actor: CurrentActor, services: CurrentServices
) -> MendingOut:
    """Try a recipe, or make the next version by it; asked twice, it is done once."""
    version = datasets.pick_version(dataset, wanted.version)
    chore = datasets.ask_mending(
        session,
        actor,
        version,
        wanted.recipe,
        queue=services.queue,
        publish=wanted.publish,
        cache=services.settings.cache_dir,
    )
    return _out(chore, version.number)


@router.get("/{chore_id}", summary="Show a recipe at work")
def show_mending(mending: MendingInPath) -> MendingOut:
    """How far it is, and in the end what it changes."""
    chore, parent = mending
    return _out(chore, parent.number)


@router.delete("/{chore_id}", summary="Stop a recipe")
def stop(mending: MendingInPath, session: CurrentSession, actor: CurrentActor) -> MendingOut:
    """One that is over stays as it is."""
    chore, parent = mending
    return _out(chores.cancel(session, actor, chore.id), parent.number)


@router.get("/{chore_id}/changes", summary="List what a recipe changes")
def show_changes(
    mending: MendingInPath,
    services: CurrentServices,
    start: Annotated[int, Query(ge=0, le=2**31)] = 0,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> ChangesOut:
    """Changes of a tried recipe from the `start`-th (from 0); 404 when they are not kept any more."""
    chore, _ = mending
    if chore.status != "done" or chore.params["publish"]:
        raise Conflict("Only a recipe that was tried to its end has a list of changes.")
    found = datasets.read_changes(services.settings.cache_dir, chore, start=start, limit=limit)
    if found is None:
        raise NotFound("The list of changes is not kept any more. Try the recipe again.")
    count = chore.result["dropped"] + chore.result["changed"]
    return ChangesOut(changes=[ChangeOut.model_validate(change) for change in found], count=count)


def _out(chore: Chore, number: int) -> MendingOut:
    result = chore.result
    sentences = datasets.sentences(chore.params["recipe"])
    counts = result.get("steps") or [{"dropped": 0, "changed": 0}] * len(sentences)
    return MendingOut(
        **told(chore),
        version=number,
        recipe=chore.params["recipe"],
        publish=chore.params["publish"],
        steps=[StepOut(sentence=sentence, **count) for sentence, count in zip(sentences, counts, strict=True)],
        dropped=result.get("dropped", 0),
        changed=result.get("changed", 0),
        added=result.get("added", 0),
        alike=result.get("alike", 0),
        row_count=result.get("row_count", 0),
        split_sizes=dict(zip(datasets.SPLIT_NAMES, result.get("sizes", (0, 0, 0)), strict=True)),
        made=result.get("number"),
    )
