"""What people do with runs: launch, look, rename."""

import re
from collections.abc import Sequence

from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from studio import datasets
from studio.actors import Actor
from studio.base_models import get_base_model
from studio.datasets import Blocker, DatasetVersion
from studio.db import on_commit
from studio.errors import InvalidInput, NotFound
from studio.queue import Queue
from studio.runs.models import Point, Run, RunEvent, SampleAnswer
from studio.runs.plan import Plan, make_plan
from studio.runs.spec import RunSpec
from studio.runs.status import ACTIVE
from studio.runs.terms import Terms
from studio.settings import Settings

_NAME_LIMIT = 200
_NUMBERED = re.compile(r"(.+) \((\d{1,5})\)")


def launch(
    session: Session,
    actor: Actor,
    spec: RunSpec,
    *,
    queue: Queue,
    settings: Settings,
    name: str = "",
    parent_run_id: str | None = None,
    idempotency_key: str | None = None,
    terms: Terms | None = None,
) -> Run:
    """Queue a run and send its hint after the commit; the same idempotency key gives the same run.

    Raises InvalidInput when the spec names what is not there, or data that cannot be trained on.
    """
    if idempotency_key and (known := find_by_key(session, actor, idempotency_key)):
        return known
    version, spec = _checked(session, actor, spec)
    _refuse_blockers(session, actor, version, spec, settings)
    base_model = get_base_model(spec.base_model.id, settings.models_root)
    if parent_run_id is not None:
        get_run(session, actor, parent_run_id)
    run = _queued(actor, spec, version, _run_name(name, version.dataset.name, spec, base_model.label))
    run.parent_run_id, run.idempotency_key = parent_run_id, idempotency_key or None
    (terms or Terms()).put_on(run)
    try:
        with session.begin_nested():
            session.add(run)
    except IntegrityError:
        # Two clicks at once: the other transaction has queued the run of this key meanwhile.
        if idempotency_key and (known := find_by_key(session, actor, idempotency_key)):
            return known
        raise
    session.refresh(run)
    tell(session, run, "queued", "The run was queued.")
    on_commit(session, lambda: queue.send(run.id))
    return run


def preview(session: Session, actor: Actor, spec: RunSpec) -> Plan:
    """Count what a spec comes to on its dataset; raises InvalidInput as `launch` does."""
    version, spec = _checked(session, actor, spec)
    return make_plan(spec, version.row_count)


def get_run(session: Session, actor: Actor, run_id: str) -> Run:
    """One run of the actor; raises NotFound."""
    run = session.scalar(select(Run).where(Run.id == run_id, Run.owner_id == actor.id))
    if run is None:
        raise NotFound("There is no such run.")
    return run


def list_runs(
    session: Session,
    actor: Actor,
    *,
    limit: int = 50,
    after: str | None = None,
    statuses: Sequence[str] = (),
    dataset_id: str | None = None,
) -> list[Run]:
    """Newest first; `after` is the id of the last one seen."""
    query = select(Run).where(Run.owner_id == actor.id).order_by(Run.id.desc()).limit(limit)
    if after:
        query = query.where(Run.id < after)
    if statuses:
        query = query.where(Run.status.in_(statuses))
    if dataset_id:
        query = query.where(Run.dataset_version.has(dataset_id=dataset_id))
    return list(session.scalars(query))


def count_by_dataset(session: Session, actor: Actor) -> dict[str, int]:
    """How many runs each dataset was used by, by the dataset's id."""
    query = (
        select(DatasetVersion.dataset_id, func.count())
        .join(Run, Run.dataset_version_id == DatasetVersion.id)
        .where(Run.owner_id == actor.id)
        .group_by(DatasetVersion.dataset_id)
    )
    return {dataset_id: number for dataset_id, number in session.execute(query)}


def active_runs(session: Session, actor: Actor) -> list[Run]:
    """Queued and running ones, oldest first."""
    query = select(Run).where(Run.owner_id == actor.id, Run.status.in_([*ACTIVE, "queued"]))
    return list(session.scalars(query.order_by(Run.queued_at, Run.id)))


def queue_position(session: Session, run: Run) -> int:
    """How many runs are before this one; 0 is next."""
    before = (Run.queued_at < run.queued_at) | ((Run.queued_at == run.queued_at) & (Run.id < run.id))
    return (
        session.scalar(select(func.count()).where(Run.status == "queued", Run.desired.in_(("run", "keep")), before))
        or 0
    )


def rename(session: Session, actor: Actor, run_id: str, name: str) -> Run:
    """Give a run another name."""
    run = get_run(session, actor, run_id)
    run.name = _clean_name(name) or run.name
    return run


def read_events(session: Session, run: Run) -> list[RunEvent]:
    """What happened to a run, oldest first."""
    return list(session.scalars(select(RunEvent).where(RunEvent.run_id == run.id).order_by(RunEvent.seq)))


def count_attempts(session: Session, run: Run) -> int:
    """How often a worker has taken the run."""
    taken = (RunEvent.run_id == run.id, RunEvent.kind == "claimed")
    return session.scalar(select(func.count()).select_from(RunEvent).where(*taken)) or 0


def last_return(session: Session, run: Run) -> str:
    """Why the run was last put back into the queue, and from where it went on; empty when it never was."""
    returned = (RunEvent.run_id == run.id, RunEvent.kind == "handed_back")
    return session.scalar(select(RunEvent.message).where(*returned).order_by(RunEvent.seq.desc()).limit(1)) or ""


def has_resumed(session: Session, run: Run) -> bool:
    """Whether the last attempt went on behind a checkpoint and has measured something there."""
    mine = (Point.run_id == run.id, Point.epoch == run.epoch, Point.superseded.is_(False))
    return run.claimed_step is not None and session.scalar(select(Point.seq).where(*mine).limit(1)) is not None


def read_answers(session: Session, run: Run) -> list[SampleAnswer]:
    """Sample answers, by prompt, then step; without those that a resumed run has given anew."""
    query = select(SampleAnswer).where(SampleAnswer.run_id == run.id, SampleAnswer.superseded.is_(False))
    return list(session.scalars(query.order_by(SampleAnswer.position, SampleAnswer.step)))


def next_name(name: str) -> str:
    """The name of a run that follows one of this name: `Demo`, `Demo (2)`, `Demo (3)`."""
    found = _NUMBERED.fullmatch(name)
    stem, number = (found[1], int(found[2])) if found else (name, 1)
    return f"{stem[: _NAME_LIMIT - 10]} ({number + 1})"


def find_by_key(session: Session, actor: Actor, key: str) -> Run | None:
    """The run that was made under this idempotency key."""
    return session.scalar(select(Run).where(Run.owner_id == actor.id, Run.idempotency_key == key))


def tell(session: Session, run: Run, kind: str, message: str) -> None:
    """Record what happened to a run by a person's hand; the row's lock numbers it."""
    seq = session.execute(
        update(Run)
        .where(Run.id == run.id)
        .values(next_seq=Run.next_seq + 1)
        .returning(Run.next_seq)
        .execution_options(synchronize_session=False)
    ).scalar_one()
    session.add(RunEvent(run_id=run.id, seq=seq - 1, epoch=run.epoch, kind=kind, message=message))


def _checked(session: Session, actor: Actor, spec: RunSpec) -> tuple[DatasetVersion, RunSpec]:
    """The version that a spec names, and the spec with the version's split where that is frozen."""
    try:
        version = datasets.get_version(session, actor, spec.data.dataset_version_id)
    except NotFound as error:
        sentence = "Pick a dataset of the list: this one is not there."
        raise InvalidInput(sentence, fields={"data.dataset_version_id": sentence}) from error
    if version.sha256 != spec.data.sha256:
        sentence = "The dataset's rows are not those that the spec names (their hashes differ)."
        raise InvalidInput(sentence, fields={"data.sha256": sentence})
    _refuse_preferences(version, "data.dataset_version_id")
    spec = _with_frozen_split(spec, version)
    _check_mix(session, actor, spec, version)
    try:
        make_plan(spec, version.row_count)
    except ValueError as error:
        sentence = str(error)[:1].upper() + str(error)[1:] + "."
        raise InvalidInput(sentence, fields={"data.dataset_version_id": sentence}) from error
    return version, spec


def _refuse_blockers(
    session: Session, actor: Actor, version: DatasetVersion, spec: RunSpec, settings: Settings
) -> None:
    for blocker in find_blockers(session, actor, version, spec, settings):
        sentence = f"{blocker.sentence} It is mended on {blocker.page}."
        raise InvalidInput(sentence, fields={"data.dataset_version_id": blocker.sentence})


def find_blockers(
    session: Session, actor: Actor, version: DatasetVersion, spec: RunSpec, settings: Settings
) -> list[Blocker]:
    """What of the data stands in the way of a run, as far as it was looked at."""
    return datasets.launch_blockers(
        session,
        actor,
        version,
        base_model=spec.base_model.id,
        train_on=spec.data.train_on,
        max_length=spec.data.max_length_tokens,
        cache=settings.cache_dir,
    )


def _check_mix(session: Session, actor: Actor, spec: RunSpec, first: DatasetVersion) -> None:
    """Every part names rows that are there, with the split that its version has, and none that the first tests with."""
    for place, part in enumerate(spec.data.mix):
        where = f"data.mix.{place}"
        try:
            version = datasets.get_version(session, actor, part.dataset_version_id)
        except NotFound as error:
            sentence = "Pick a dataset of the list: this one is not there."
            raise InvalidInput(sentence, fields={f"{where}.dataset_version_id": sentence}) from error
        if (version.sha256, version.row_count) != (part.sha256, part.row_count):
            sentence = "The dataset's rows are not those that the spec names (their hashes or their number differ)."
            raise InvalidInput(sentence, fields={f"{where}.sha256": sentence})
        _refuse_preferences(version, f"{where}.dataset_version_id")
        if datasets.split_of(version) != part.split:
            sentence = "A dataset that is mixed in is taken with its own split, so that its test rows stay test rows."
            raise InvalidInput(sentence, fields={f"{where}.split": sentence})
        if datasets.tests_with(first, version):
            sentence = "The first dataset is tested with these rows, so they cannot be trained on as well."
            raise InvalidInput(sentence, fields={f"{where}.dataset_version_id": sentence})


def _refuse_preferences(version: DatasetVersion, where: str) -> None:
    if version.canonical == "preference":
        sentence = "Preference rows hold two answers; make a version that keeps the chosen one, then train on it."
        raise InvalidInput(sentence, fields={where: sentence})


def _with_frozen_split(spec: RunSpec, version: DatasetVersion) -> RunSpec:
    """Rows that were held out before a fix are held out after it; a spec that names no split takes the version's."""
    own = datasets.split_of(version)
    if spec.data.split == own or not (own.is_frozen or spec.data.split.is_frozen):
        return spec
    if "split" not in spec.data.model_fields_set:
        return spec.model_copy(update={"data": spec.data.model_copy(update={"split": own})})
    sentence = "The split of this version is fixed, so that its test rows stay test rows: take the version's own."
    if not own.is_frozen:
        sentence = "The spec names the fixed split of another version: take one of shares and a seed."
    raise InvalidInput(sentence, fields={"data.split": sentence})


def _queued(actor: Actor, spec: RunSpec, version: DatasetVersion, name: str) -> Run:
    return Run(
        owner_id=actor.id,
        name=name,
        spec=spec.model_dump(mode="json"),
        method=spec.method.kind,
        base_model=spec.base_model.id,
        dataset_version_id=version.id,
        total_steps=make_plan(spec, version.row_count).steps,
    )


def _run_name(given: str, dataset_name: str, spec: RunSpec, base_label: str) -> str:
    return _clean_name(given) or _clean_name(f"{dataset_name} - {spec.method.label} on {base_label}")


def _clean_name(text: str) -> str:
    return " ".join("".join(mark if mark.isprintable() else " " for mark in text).split())[:_NAME_LIMIT]
