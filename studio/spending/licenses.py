"""The licences of a run that is about to be launched: those of its base model and of every dataset in its mix."""

from pathlib import Path

from sqlalchemy.orm import Session

from studio import datasets
from studio.actors import Actor
from studio.base_models import get_base_model
from studio.budget import licensing
from studio.budget.licensing import DataLicense, Statement
from studio.errors import NotFound
from studio.runs import RunSpec


def license_statement(session: Session, actor: Actor, spec: RunSpec, models_root: Path | None) -> Statement:
    """What the licences ask of the spec's intended use; raises InvalidInput for a base model that is not there."""
    base_model = get_base_model(spec.base_model.id, models_root)
    return licensing.statement_of(base_model, _of_data(session, actor, spec), spec.license.intended_use)


def accept_licenses(
    session: Session, actor: Actor, spec: RunSpec, models_root: Path | None
) -> tuple[RunSpec, Statement]:
    """The same, and the spec that accepts this statement alone: what is copied from it later accepts no other one.

    Raises InvalidInput at `license.accepted` when the statement must be accepted and is not.
    """
    statement = license_statement(session, actor, spec, models_root)
    licensing.refuse_unaccepted(statement, spec.license)
    if not spec.license.accepted:
        return spec, statement
    bound = spec.license.model_copy(update={"statement": statement.key})
    return spec.model_copy(update={"license": bound}), statement


def _of_data(session: Session, actor: Actor, spec: RunSpec) -> list[DataLicense]:
    """Of each dataset once, in the order of the mix; one that is not there is refused elsewhere."""
    found: dict[str, DataLicense] = {}
    for version_id in (spec.data.dataset_version_id, *(part.dataset_version_id for part in spec.data.mix)):
        try:
            version = datasets.get_version(session, actor, version_id)
        except NotFound:
            continue
        said = datasets.license_of(version)
        found.setdefault(version.dataset_id, DataLicense(version.dataset.name, said.license, from_hub=said.from_hub))
    return list(found.values())
