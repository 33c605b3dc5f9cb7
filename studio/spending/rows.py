"""What is known of the lengths of a run's rows: a count of tokens, else what a run measured, else characters."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from studio import datasets
from studio.actors import Actor
from studio.budget.lengths import (
    Lengths,
    MeasuredRows,
    counted_lengths,
    guessed_lengths,
    measured_lengths,
    mixed_lengths,
)
from studio.budget.shapes import ModelShape
from studio.datasets import DatasetVersion, Profile
from studio.errors import NotFound
from studio.runs import Run, RunSpec
from studio.runs.mixing import train_counts

_BARS = 256
# Older runs tell no more than the newest of these.
_RUNS_LOOKED_AT = 8


def lengths_of(
    session: Session, actor: Actor, version: DatasetVersion, spec: RunSpec, shape: ModelShape, cache: Path
) -> Lengths:
    """Lengths of all rows that the run trains on, each dataset of its mix in its share."""
    versions: list[DatasetVersion | None] = [version]
    versions += [_found(session, actor, part.dataset_version_id) for part in spec.data.mix]
    counts = train_counts(spec, version.row_count)
    return mixed_lengths(
        [
            (_lengths(session, actor, found, spec, shape, cache), rows)
            for found, rows in zip(versions, counts, strict=True)
            if found is not None
        ]
    )


def suggested_length(session: Session, actor: Actor, version: DatasetVersion, spec: RunSpec, cache: Path) -> int | None:
    """The smallest longest row that keeps 99 of 100 rows whole; None before the tokens were counted."""
    profile = _profile(session, actor, version, spec, cache)
    return profile.suggestion if profile else None


def _found(session: Session, actor: Actor, version_id: str) -> DatasetVersion | None:
    """None for one that is not there: a launch refuses it."""
    try:
        return datasets.get_version(session, actor, version_id)
    except NotFound:
        return None


def _lengths(
    session: Session, actor: Actor, version: DatasetVersion, spec: RunSpec, shape: ModelShape, cache: Path
) -> Lengths:
    profile = _profile(session, actor, version, spec, cache)
    if profile is None:
        guess = _guess(version, shape)
        measured = _measured(session, actor, version, spec)
        return measured_lengths(guess, measured) if measured else guess
    longest = int(profile.result["longest"])
    bars = [(bar.first, min(bar.last, longest), bar.rows) for bar in profile.histogram(longest, _BARS)]
    truth = profile.at(spec.data.max_length_tokens)
    return counted_lengths(bars, truth.epoch_trained / max(1, truth.epoch_tokens))


def _profile(session: Session, actor: Actor, version: DatasetVersion, spec: RunSpec, cache: Path) -> Profile | None:
    chore = datasets.profile_of(session, actor, version, spec.base_model.id, spec.data.train_on)
    if chore is None or chore.status != "done" or not chore.result.get("rows"):
        return None
    return Profile.open(cache, chore)


def _measured(session: Session, actor: Actor, version: DatasetVersion, spec: RunSpec) -> MeasuredRows | None:
    """What a run or trial over the same rows with the same base model has measured: the most alike, else the newest."""
    query = (
        select(Run.spec, Run.resolved)
        .where(Run.dataset_version_id == version.id, Run.base_model == spec.base_model.id)
        .where(Run.owner_id == actor.id, Run.status == "succeeded")
    )
    newest = session.execute(query.order_by(Run.id.desc()).limit(_RUNS_LOOKED_AT))
    found = [_told(before, resolved, spec) for before, resolved in newest if "rows" in resolved]
    usable = [rows for rows in found if rows is not None]
    return max(usable, key=lambda rows: (rows.are_the_same, rows.are_whole), default=None)


def _told(before: Mapping[str, Any], resolved: Mapping[str, Any], spec: RunSpec) -> MeasuredRows | None:
    """None for rows of a mix, for some rows of many, and for rows that were cut shorter than they will be now."""
    wanted, data, rows = spec.data, before["data"], resolved["rows"]
    is_part = data.get("max_train_rows") not in (None, wanted.max_train_rows)
    are_whole = not resolved["cut_rows"]
    if data.get("mix") or is_part or not (are_whole or wanted.max_length_tokens <= resolved["max_length"]):
        return None
    return MeasuredRows(
        mean=rows["mean_tokens"],
        longest=int(rows["longest_tokens"]),
        are_whole=are_whole,
        are_the_same=_are_the_same(before, spec),
        answers=rows["learned_share"] if data.get("train_on") == wanted.train_on else None,
    )


def _are_the_same(before: Mapping[str, Any], spec: RunSpec) -> bool:
    """Whether both train on the same rows: which can teach depends on `train_on`, which are chosen on the seed."""
    wanted, data = spec.data, before["data"]
    names = ("train_on", "max_train_rows")
    alike = not wanted.mix and all(data.get(name) == getattr(wanted, name) for name in names)
    chosen_alike = wanted.max_train_rows is None or before["hyperparameters"].get("seed") == spec.hyperparameters.seed
    return alike and chosen_alike and data.get("split") == wanted.split.model_dump(mode="json")


def _guess(version: DatasetVersion, shape: ModelShape) -> Lengths:
    """From the version's facts; where an old import has none, from the bytes of its rows."""
    facts, rows = version.facts, version.row_count
    mean = facts.get("mean_row_characters") or 0.8 * version.size_bytes / rows
    longest = facts.get("longest_row_characters") or 4 * mean
    turns = sum(facts.get("turns", {}).values()) / rows
    return guessed_lengths(rows, mean, longest, turns, shape.vocabulary)
