"""New splits over JSON: try one, see how the rows would be dealt out, make a version with it."""

from typing import Any

from fastapi import APIRouter

from app.api.models import ChoreOut, Out, TryIn, told
from app.deps import CurrentActor, CurrentServices, CurrentSession, DatasetInPath, SplittingInPath
from studio import chores, datasets
from studio.chores import Chore
from studio.datasets import SplitName, SplitRows

router = APIRouter(prefix="/datasets/{dataset_id}/splits", tags=["datasets"])


class SplitIn(TryIn):
    """How to split which version."""

    plan: SplitRows


class ValueOut(Out):
    """One value of the field that the rows are split by, and how many of its rows are where."""

    value: str
    split_sizes: dict[SplitName, int]


class SplitOut(ChoreOut):
    """A split at work; the counts are 0 until it is done, and `made` numbers the version that it has made.

    `moved` rows change their side; `values` has the 30 most frequent values of the field.
    """

    version: int
    plan: SplitRows
    sentence: str
    publish: bool
    split_sizes: dict[SplitName, int]
    moved: int
    values: list[ValueOut]
    made: int | None


@router.post("", status_code=202, summary="Split a dataset anew")
def split(
    dataset: DatasetInPath, wanted: SplitIn, session: CurrentSession, actor: CurrentActor, services: CurrentServices
) -> SplitOut:
    """Try a split, or make the next version with it; asked twice, it is done once."""
    version = datasets.pick_version(dataset, wanted.version)
    chore = datasets.ask_split(session, actor, version, wanted.plan, queue=services.queue, publish=wanted.publish)
    return _out(chore, version.number)


@router.get("/{chore_id}", summary="Show a split at work")
def show_split(splitting: SplittingInPath) -> SplitOut:
    """How far it is, and in the end how the rows are dealt out."""
    chore, parent = splitting
    return _out(chore, parent.number)


@router.delete("/{chore_id}", summary="Stop a split")
def stop(splitting: SplittingInPath, session: CurrentSession, actor: CurrentActor) -> SplitOut:
    """One that is over stays as it is."""
    chore, parent = splitting
    return _out(chores.cancel(session, actor, chore.id), parent.number)


def _out(chore: Chore, number: int) -> SplitOut:
    plan, result = SplitRows.model_validate(chore.params["plan"]), chore.result
    values = [ValueOut(value=one["value"], split_sizes=_sizes(one["sizes"])) for one in result.get("values", ())]
    return SplitOut(
        **told(chore),
        version=number,
        plan=plan,
        sentence=plan.sentence(),
        publish=chore.params["publish"],
        split_sizes=_sizes(result.get("sizes", (0, 0, 0))),
        moved=result.get("moved", 0),
        values=values,
        made=result.get("number"),
    )


def _sizes(sizes: Any) -> dict[SplitName, int]:
    return dict(zip(datasets.SPLIT_NAMES, sizes, strict=True))
