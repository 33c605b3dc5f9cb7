"""What stands in the way of a run on a version, as far as it was looked at, and where it is mended."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from sqlalchemy.orm import Session

from studio.actors import Actor
from studio.datasets.checkups import found_by_checks
from studio.datasets.models import DatasetVersion
from studio.datasets.token_truth import Profile, profile_of


@dataclass(frozen=True, slots=True)
class Blocker:
    """A sentence for the person, and the page of the fix."""

    sentence: str
    page: str


def launch_blockers(
    session: Session,
    actor: Actor,
    version: DatasetVersion,
    *,
    base_model: str,
    train_on: str,
    max_length: int,
    cache: Path,
) -> list[Blocker]:
    """Findings that no run should start with. What was not checked or counted yet blocks nothing."""
    page = f"/datasets/{version.dataset_id}"
    found = [
        Blocker(
            f"{check['title']}: {check['count']:,} rows. {check['advice']}",
            f"{page}/checks/{check['name']}?version={version.number}",
        )
        for check in found_by_checks(session, actor, version)
        if check["severity"] == "blocker"
    ]
    untaught = _untaught(session, actor, version, base_model, train_on, max_length, cache)
    if untaught:
        asked = {"version": version.number, "base_model": base_model, "max_length": max_length}
        rows = "1 row teaches" if untaught == 1 else f"{untaught:,} rows teach"
        found.append(
            Blocker(
                f"{rows} nothing: no token of an answer lies within the first {max_length:,} tokens. Raise the longest "
                "row, or make a version without them.",
                f"{page}/profile?{urlencode(asked)}",
            )
        )
    return found


def _untaught(
    session: Session,
    actor: Actor,
    version: DatasetVersion,
    base_model: str,
    train_on: str,
    max_length: int,
    cache: Path,
) -> int:
    chore = profile_of(session, actor, version, base_model, train_on)
    profile = Profile.open(cache, chore) if chore is not None and chore.status == "done" else None
    return profile.at(max_length).untaught_rows if profile is not None else 0
