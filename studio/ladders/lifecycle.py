"""What people do with ladders: start, look, stop and climb on."""

from collections.abc import Sequence

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from studio import datasets, runs, spending
from studio.actors import Actor
from studio.base_models import get_base_model
from studio.errors import Conflict, InvalidInput, NotFound
from studio.ladders.ending import end_ladder
from studio.ladders.launching import capped, launch_rung
from studio.ladders.models import Ladder
from studio.ladders.rungs import specs_of, usual_rungs
from studio.ladders.sights import sight_of
from studio.queue import Queue
from studio.runs import Run, RunSpec
from studio.settings import Settings

DEFAULT_MIN_GAIN = 0.02
GAIN_FIELD = "min_gain"
_NAME_LIMIT = 160
# A space cannot stand in the key of a request, so a ladder's keys never meet a run's.
_KEY_OF_LADDER = "ladder by {}"
_LONGEST_KEY = 64


def start_ladder(
    session: Session,
    actor: Actor,
    spec: RunSpec,
    *,
    queue: Queue,
    settings: Settings,
    rungs: Sequence[str] | None = None,
    min_gain: float = DEFAULT_MIN_GAIN,
    name: str = "",
    hardware_id: str | None = None,
    idempotency_key: str | None = None,
) -> Ladder:
    """Make a ladder of a spec and launch its first rung; the spec's budget is the cap of the whole ladder.

    `hardware_id` is what every rung is estimated for, as long as a worker has it. The same idempotency key gives the
    same ladder. Raises InvalidInput as a launch does, and at `rungs`, `min_gain` and `hardware` for what is
    no ladder.
    """
    key = _KEY_OF_LADDER.format(idempotency_key[:_LONGEST_KEY]) if idempotency_key else None
    if key and (known := _of_key(session, actor, key)):
        return known
    # Every rung accepts what is accepted now, and no other statement.
    spec, _ = spending.accept_licenses(session, actor, spec, settings.models_root)
    specs = specs_of(spec, usual_rungs() if rungs is None else rungs)
    _refuse_what_cannot_be_judged(session, actor, spec, min_gain)
    spending.find_device(session, hardware_id)
    ladder = Ladder(
        owner_id=actor.id,
        name=_clean(name) or _usual_name(session, actor, spec, settings),
        specs=[one.model_dump(mode="json") for one in specs],
        min_gain=min_gain,
        hardware=hardware_id,
    )
    session.add(ladder)
    session.flush()
    first = launch_rung(session, actor, ladder, 0, specs[0], queue=queue, settings=settings, key=key)
    if first.ladder_id != ladder.id:
        # Two clicks at once: the other one's ladder is there now.
        session.delete(ladder)
        return get_ladder(session, actor, str(first.ladder_id))
    return ladder


def _refuse_what_cannot_be_judged(session: Session, actor: Actor, spec: RunSpec, min_gain: float) -> None:
    if not 0 <= min_gain <= 0.5:
        raise InvalidInput("The smallest gain is between 0 and 50 %.", fields={GAIN_FIELD: "Between 0 and 50 %."})
    if runs.preview(session, actor, spec).validation_rows == 0:
        sentence = "A ladder compares validation losses: hold out some validation rows."
        raise InvalidInput(sentence, fields={"data.split": sentence})


def get_ladder(session: Session, actor: Actor, ladder_id: str) -> Ladder:
    """One ladder of the actor; raises NotFound."""
    ladder = session.scalar(select(Ladder).where(Ladder.id == ladder_id, Ladder.owner_id == actor.id))
    if ladder is None:
        raise NotFound("There is no such ladder.")
    return ladder


def ladder_of(session: Session, run: Run) -> Ladder | None:
    """The ladder that a run is a rung of."""
    return session.get(Ladder, run.ladder_id) if run.ladder_id else None


def list_ladders(session: Session, actor: Actor, *, limit: int = 50, after: str | None = None) -> list[Ladder]:
    """Newest first; `after` is the id of the last one seen."""
    query = select(Ladder).where(Ladder.owner_id == actor.id).order_by(Ladder.id.desc()).limit(limit)
    return list(session.scalars(query.where(Ladder.id < after) if after else query))


def stop_ladder(session: Session, actor: Actor, ladder_id: str, *, cancel_runs: bool) -> tuple[Ladder, list[Run]]:
    """Climb no further; the rung that waits or trains goes on to its end unless `cancel_runs`. Twice is no error.

    The second of the pair are the runs that were cancelled. Raises Conflict when the ladder had already ended.
    """
    ladder = get_ladder(session, actor, ladder_id)
    is_new = end_ladder(session, ladder, "stopped", "You stopped the ladder here.")
    if not is_new and ladder.status == "done":
        raise Conflict("The ladder had already ended; nothing was stopped.")
    if not cancel_runs:
        return ladder, []
    return ladder, [runs.cancel(session, actor, run.id) for run in sight_of(session, ladder).open_runs]


def climb_on(
    session: Session,
    actor: Actor,
    ladder_id: str,
    *,
    queue: Queue,
    settings: Settings,
    accepts: str | None = None,
) -> Ladder:
    """Go on with a ladder that has ended: its next rung is launched whatever the last one gained.

    `accepts` is the key of a statement of licences that all rungs to come accept, in place of the one before. Twice is
    no error. Raises Conflict at the top, and InvalidInput when the rung cannot be launched.
    """
    ladder = get_ladder(session, actor, ladder_id)
    sight = sight_of(session, ladder)
    if ladder.status == "climbing":
        return ladder
    number = sight.next_number
    if number is None:
        raise Conflict("All rungs of this ladder were climbed.")
    is_mine = session.execute(
        update(Ladder)
        .where(Ladder.id == ladder.id, Ladder.status != "climbing")
        .values(status="climbing", outcome="")
        .returning(Ladder.id)
        .execution_options(synchronize_session=False)
    ).scalar_one_or_none()
    if is_mine and accepts:
        _accept(session, actor, ladder, accepts, settings)
        sight = sight_of(session, ladder)
    if is_mine and not sight.open_runs:
        spec = capped(sight, number)
        if spec is None:
            raise Conflict("The cap of this ladder is spent. Launch the rung as a run of its own.")
        launch_rung(session, actor, ladder, number, spec, queue=queue, settings=settings)
    session.refresh(ladder)
    return ladder


def _accept(session: Session, actor: Actor, ladder: Ladder, key: str, settings: Settings) -> None:
    """At once, though a rung may still train: the statement of this key must be what the licences say now."""
    spec = RunSpec.model_validate(ladder.specs[0])
    asked = spec.license.model_copy(update={"accepted": True, "statement": key})
    bound, _ = spending.accept_licenses(
        session, actor, spec.model_copy(update={"license": asked}), settings.models_root
    )
    ladder.specs = [one | {"license": bound.license.model_dump(mode="json")} for one in ladder.specs]
    session.flush()


def _of_key(session: Session, actor: Actor, key: str) -> Ladder | None:
    launched = select(Run.ladder_id).where(Run.owner_id == actor.id, Run.idempotency_key == key)
    known = session.scalar(launched)
    return get_ladder(session, actor, known) if known else None


def _usual_name(session: Session, actor: Actor, spec: RunSpec, settings: Settings) -> str:
    version = datasets.get_version(session, actor, spec.data.dataset_version_id)
    base_model = get_base_model(spec.base_model.id, settings.models_root)
    return _clean(f"{version.dataset.name} on {base_model.label}")


def _clean(name: str) -> str:
    return " ".join("".join(mark if mark.isprintable() else " " for mark in name).split())[:_NAME_LIMIT]
