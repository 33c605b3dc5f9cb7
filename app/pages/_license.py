"""The licences in the launch form: what it is for, what the licences ask of that, and a box to accept it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.orm import Session

from app.forms import FormField, FormState
from studio import spending
from studio.actors import Actor
from studio.budget.licensing import Statement
from studio.errors import InvalidInput
from studio.runs import RunSpec
from studio.runs.spec_limits import LicenseUse

# What was accepted is the statement that was drawn; when that changes, the box is empty again.
ACCEPTED_KEY_FIELD = "license_key"


@dataclass(frozen=True, slots=True)
class LicensePart:
    """What the part is drawn from; without a statement the spec or its base model is not there yet."""

    use: FormField
    statement: Statement | None
    is_accepted: bool
    error: str | None


def license_part(
    session: Session,
    actor: Actor,
    spec: RunSpec | None,
    values: Mapping[str, str],
    errors: Mapping[str, str],
    *,
    models_root: Path | None,
) -> LicensePart:
    """The part for a form with these values, and the spec that they make."""
    use = next(field for field in FormState(values, errors).fields(LicenseUse, "license") if field.kind == "select")
    statement = _statement(session, actor, spec, models_root) if spec else None
    accepted = values.get("license.accepted") == "true"
    is_accepted = accepted and statement is not None and values.get(ACCEPTED_KEY_FIELD) == statement.key
    return LicensePart(use, statement, is_accepted, errors.get("license.accepted"))


def as_accepted(
    session: Session, actor: Actor, spec: RunSpec, values: Mapping[str, str], *, models_root: Path | None
) -> RunSpec:
    """The spec of a form, not accepted when the form accepts another statement than that of its licences."""
    statement = _statement(session, actor, spec, models_root)
    key = values.get(ACCEPTED_KEY_FIELD)
    if statement is None or key in (None, statement.key):
        return spec
    return spec.model_copy(update={"license": spec.license.model_copy(update={"accepted": False})})


def _statement(session: Session, actor: Actor, spec: RunSpec, models_root: Path | None) -> Statement | None:
    try:
        return spending.license_statement(session, actor, spec, models_root)
    except InvalidInput:
        return None
