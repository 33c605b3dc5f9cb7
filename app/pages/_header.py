"""What the header of every page of a dataset is drawn from, and how long its work waits."""

from typing import Any

from sqlalchemy.orm import Session

from studio import runs
from studio.actors import Actor
from studio.chores import Chore
from studio.datasets import DatasetVersion
from studio.db import utc_now

_LONG_WAIT_SECONDS = 40.0


def header_of(session: Session, actor: Actor, version: DatasetVersion, tab: str) -> dict[str, Any]:
    """The dataset, the version that is looked at, the tab, and whether a run names the dataset."""
    return {
        "dataset": version.dataset,
        "version": version,
        "tab": tab,
        "runs": runs.list_runs(session, actor, dataset_id=version.dataset_id, limit=1),
    }


def waits_long(chore: Chore | None) -> bool:
    """Whether no worker has taken it for so long that there may be none."""
    if chore is None or chore.status != "queued":
        return False
    return (utc_now() - chore.created_at).total_seconds() > _LONG_WAIT_SECONDS


def query_of(version: DatasetVersion) -> str:
    """The query that says which version is looked at; nothing for the newest, as the templates' `of_version`."""
    return "" if version.number == version.dataset.latest.number else f"?version={version.number}"
