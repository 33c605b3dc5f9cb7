"""The tokens of a dataset over JSON: count them for a base model, and see what a longest row makes of them."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from app.api.models import ChoreOut, In, Out, told
from app.deps import CurrentActor, CurrentServices, CurrentSession, PickedVersion, Services
from studio import chores, datasets
from studio.base_models import get_base_model
from studio.chores import Chore
from studio.datasets import DatasetVersion, Profile, Truth
from studio.errors import NotFound

router = APIRouter(prefix="/datasets/{dataset_id}/profile", tags=["datasets"])

TrainOn = Literal["answers", "everything"]
Length = Annotated[int, Query(ge=16, le=datasets.LONGEST_ALLOWED, description="The longest row, in tokens.")]
BaseModel = Annotated[str, Query(max_length=200, description="A base model that the tokens were counted for.")]


class ProfileIn(In):
    """For which base model; the tokens are counted once for all longest rows."""

    base_model: str = Field(max_length=200)
    train_on: TrainOn = "answers"


class CountedOut(Out):
    """Lengths of rows in tokens; `suggestion` is the smallest longest row that keeps 99 of 100 rows whole.

    In `truth`, `epoch_...` counts the rows and tokens that one epoch trains on.
    """

    percentiles: dict[str, int]
    longest: int
    suggestion: int
    problem_count: int
    template: Literal["own", "plain"]
    truth: Truth


class ProfileOut(ChoreOut):
    """A count of tokens; `counted` is null until it is done, and again when the cache was cleared: count anew then."""

    version: int
    base_model: str
    train_on: TrainOn
    counted: CountedOut | None


class LongRowOut(Out):
    """A row with its tokens, or with the place of its first learned token (null: it has none)."""

    row: int
    tokens: int | None


class LongRowsOut(Out):
    """A page of rows; `count` counts all of them."""

    rows: list[LongRowOut]
    count: int


def _asked(
    version: PickedVersion,
    session: CurrentSession,
    actor: CurrentActor,
    base_model: BaseModel,
    train_on: TrainOn = "answers",
) -> Chore:
    """The newest count for a base model; raises NotFound."""
    chore = datasets.profile_of(session, actor, version, base_model, train_on)
    if chore is None:
        raise NotFound("The tokens of this version were not counted for this base model yet.")
    return chore


AskedCount = Annotated[Chore, Depends(_asked, scope="function")]


@router.get("", summary="Show the profile")
def show_profile(
    version: PickedVersion, chore: AskedCount, services: CurrentServices, max_length: Length = 1024
) -> ProfileOut:
    """The newest count for a base model, and what a longest row makes of it; 404 while none was asked for."""
    return _out(services, version, chore, max_length)


@router.post("", status_code=202, summary="Count tokens")
def count(
    version: PickedVersion,
    wanted: ProfileIn,
    session: CurrentSession,
    actor: CurrentActor,
    services: CurrentServices,
    max_length: Length = 1024,
) -> ProfileOut:
    """Count the tokens for a base model; one that is going on, or done and kept, is shown instead."""
    get_base_model(wanted.base_model, services.settings.models_root)
    cache = services.settings.cache_dir
    chore = datasets.ask_profile(
        session, actor, version, wanted.base_model, wanted.train_on, queue=services.queue, cache=cache
    )
    return _out(services, version, chore, max_length)


@router.delete("", summary="Stop counting")
def stop(
    version: PickedVersion, chore: AskedCount, session: CurrentSession, actor: CurrentActor, services: CurrentServices
) -> ProfileOut:
    """Stop the count; one that is over stays as it is."""
    return _out(services, version, chores.cancel(session, actor, chore.id), 1024)


@router.get("/rows/{kind}", summary="List rows that are cut or teach nothing")
def show_rows(
    kind: Literal["cut", "untaught"],
    chore: AskedCount,
    services: CurrentServices,
    max_length: Length = 1024,
    start: Annotated[int, Query(ge=0, le=2**31)] = 0,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> LongRowsOut:
    """Rows that are longer than the longest row, or that teach nothing at it, from the `start`-th (from 0)."""
    profile = _profile(services, chore)
    if profile is None:
        raise NotFound("The counted tokens are not there. Count the tokens of this version first.")
    truth = profile.at(max_length)
    read = profile.cut_rows if kind == "cut" else profile.untaught_rows
    rows = read(max_length, start=start, limit=limit)
    total = truth.rows - truth.whole_rows if kind == "cut" else truth.untaught_rows
    return LongRowsOut(rows=[LongRowOut.model_validate(row) for row in rows], count=total)


def _profile(services: Services, chore: Chore) -> Profile | None:
    return Profile.open(services.settings.cache_dir, chore) if chore.status == "done" else None


def _out(services: Services, version: DatasetVersion, chore: Chore, max_length: int) -> ProfileOut:
    profile = _profile(services, chore)
    counted: dict[str, Any] | None = None
    if profile is not None:
        counted = profile.result | {"truth": profile.at(max_length)}
    return ProfileOut(
        **told(chore),
        version=version.number,
        base_model=chore.params["base_model"],
        train_on=chore.params["train_on"],
        counted=CountedOut.model_validate(counted) if counted is not None else None,
    )
