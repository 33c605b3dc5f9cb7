"""What is known of the lengths of a run's rows: a finished count of tokens, else the characters of the version."""

from pathlib import Path

from sqlalchemy.orm import Session

from studio import datasets
from studio.actors import Actor
from studio.budget.lengths import Lengths, counted_lengths, guessed_lengths, mixed_lengths
from studio.budget.shapes import ModelShape
from studio.datasets import DatasetVersion, Profile
from studio.errors import NotFound
from studio.runs import RunSpec
from studio.runs.mixing import train_counts

_BARS = 256


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
        return _guess(version, shape)
    longest = int(profile.result["longest"])
    bars = [(bar.first, min(bar.last, longest), bar.rows) for bar in profile.histogram(longest, _BARS)]
    truth = profile.at(spec.data.max_length_tokens)
    return counted_lengths(bars, truth.epoch_trained / max(1, truth.epoch_tokens))


def _profile(session: Session, actor: Actor, version: DatasetVersion, spec: RunSpec, cache: Path) -> Profile | None:
    chore = datasets.profile_of(session, actor, version, spec.base_model.id, spec.data.train_on)
    if chore is None or chore.status != "done" or not chore.result.get("rows"):
        return None
    return Profile.open(cache, chore)


def _guess(version: DatasetVersion, shape: ModelShape) -> Lengths:
    """From the version's facts; where an old import has none, from the bytes of its rows."""
    facts, rows = version.facts, version.row_count
    mean = facts.get("mean_row_characters") or 0.8 * version.size_bytes / rows
    longest = facts.get("longest_row_characters") or 4 * mean
    turns = sum(facts.get("turns", {}).values()) / rows
    return guessed_lengths(rows, mean, longest, turns, shape.vocabulary)
