"""The licences in the launch form: what it is for, what the licences ask of that, and a box to accept it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fastapi import Request, Response
from sqlalchemy.orm import Session

from app.forms import FormField, FormState
from app.render import go_to
from studio import spending
from studio.actors import Actor
from studio.budget.licensing import ACCEPT, ACCEPTED_FIELD, CHANGED, Statement
from studio.errors import InvalidInput
from studio.runs import Run, RunSpec
from studio.runs.spec_limits import LicenseUse

# What was accepted is the statement that was drawn; when that changes, the box is empty again.
ACCEPTED_KEY_FIELD = "license.statement"
# In an address: the form is there because a licence has to be accepted.
ASKS_FIELD = "asks"


@dataclass(frozen=True, slots=True)
class LicensePart:
    """What the part is drawn from; without a statement the spec or its base model is not there yet."""

    use: FormField
    statement: Statement | None
    is_accepted: bool
    error: str | None
    notice: str = ""
    """Why it is asked again: another statement was accepted, in this form or for the run that it begins with."""


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
    is_ticked, key = values.get(ACCEPTED_FIELD) == "true", values.get(ACCEPTED_KEY_FIELD)
    error = errors.get(ACCEPTED_FIELD)
    if statement is None or not is_ticked:
        sentence = ACCEPT if ASKS_FIELD in values and statement and statement.needs_acceptance else ""
        return LicensePart(use, statement, False, error, sentence)
    if key == statement.key:
        return LicensePart(use, statement, True, error)
    return LicensePart(
        use, statement, False, error, CHANGED if statement.needs_acceptance and key and not error else ""
    )


def launched_or_asked(request: Request, launch: Callable[[], Run], form: str) -> Response:
    """Go to the run that is launched, or to the form at this address where its licences have to be accepted first."""
    try:
        place = f"/runs/{launch().id}"
    except InvalidInput as refused:
        if ACCEPTED_FIELD not in refused.fields:
            raise
        place = f"{form}&{ASKS_FIELD}=license#license-statement"
    return go_to(request, place)


def _statement(session: Session, actor: Actor, spec: RunSpec, models_root: Path | None) -> Statement | None:
    try:
        return spending.license_statement(session, actor, spec, models_root)
    except InvalidInput:
        return None
