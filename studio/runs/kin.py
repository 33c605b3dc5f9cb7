"""What was tried before a run, on the same dataset."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from studio.datasets import DatasetVersion
from studio.runs.models import Run


@dataclass(frozen=True, slots=True)
class Kin:
    """A base model and a method that were tried on a version of the same dataset, in a training or in a trial."""

    kind: str
    base_model: str
    method: str
    is_same_version: bool


def tried_before(session: Session, run: Run) -> set[Kin]:
    """What finished on the run's dataset before the run was launched; ids are in the order of time."""
    dataset_id = run.dataset_version.dataset_id
    query = (
        select(Run.kind, Run.base_model, Run.method, Run.dataset_version_id == run.dataset_version_id)
        .join(DatasetVersion, Run.dataset_version_id == DatasetVersion.id)
        .where(Run.owner_id == run.owner_id, Run.status == "succeeded", Run.id < run.id)
        .where(DatasetVersion.dataset_id == dataset_id)
        .distinct()
    )
    return {Kin(kind, base_model, method, bool(same)) for kind, base_model, method, same in session.execute(query)}
