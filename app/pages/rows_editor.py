"""Edit several rows at once: their texts are written or the rows left out, and one version is made of it all."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import Field
from sqlalchemy.orm import Session

from app.deps import CurrentActor, CurrentServices, CurrentSession, PickedVersion, Services
from app.pages._editor import ROLES, EditedPart, act, parts_of, posted_parts, written_row
from app.pages._header import header_of
from app.pages._values import ManyValues
from app.pages.fixes import try_recipe
from app.render import render
from studio import datasets
from studio.actors import Actor
from studio.datasets import DatasetVersion, NumberedRow
from studio.errors import InvalidInput, NotFound

router = APIRouter(prefix="/datasets/{dataset_id}/rows/edit")
MOST_ROWS = 50
# The form is sent back whole, and a request takes 1 MiB: each text has three fields with heads of some 120 bytes.
_MOST_BYTES, _BYTES_A_TEXT = 700_000, 400
_TRY, _SAVE = "try", "save"
RowNumbers = Annotated[list[Annotated[int, Field(ge=1, le=2**31)]], Query(alias="row", max_length=200)]


@dataclass(frozen=True, slots=True)
class EditedRow:
    """A row with its texts as they were written; `error` says why it cannot be kept so."""

    stored: NumberedRow
    parts: list[EditedPart]
    leave_out: bool = False
    error: str = ""


@router.get("")
def edit_rows(
    request: Request,
    version: PickedVersion,
    session: CurrentSession,
    actor: CurrentActor,
    services: CurrentServices,
    numbers: RowNumbers = [],  # noqa: B006 - FastAPI makes a new one for each request
) -> HTMLResponse:
    """The forms of the rows."""
    rows = [EditedRow(row, parts_of(row.row)) for row in _rows(services, version, numbers)]
    return _form(request, session, actor, version, rows)


@router.post("")
def save_rows(
    request: Request,
    version: PickedVersion,
    form: ManyValues,
    session: CurrentSession,
    actor: CurrentActor,
    services: CurrentServices,
    numbers: RowNumbers = [],  # noqa: B006 - FastAPI makes a new one for each request
) -> Response:
    """Try the edits, or make one version of them all; other buttons move, add or remove a turn of a row."""
    sent = _by_row(form)
    rows = [_posted(row, sent.get(str(row.number), {})) for row in _rows(services, version, numbers)]
    action = form.get("act", _TRY)
    if action not in {_TRY, _SAVE}:
        return _form(request, session, actor, version, [_acted(row, action) for row in rows])
    steps = _steps(rows)
    try:
        if not steps:
            raise InvalidInput("Nothing was changed in these rows.")
        recipe = datasets.read_recipe(steps)
        return try_recipe(request, session, actor, services, version, recipe, publish=action == _SAVE)
    except InvalidInput as error:
        return _form(request, session, actor, version, _told(rows, steps, error), error)


def _rows(services: Services, version: DatasetVersion, numbers: Sequence[int]) -> list[NumberedRow]:
    wanted = sorted(set(numbers))
    if not wanted:
        raise InvalidInput("Tick the rows that you want to edit first.")
    if len(wanted) > MOST_ROWS:
        raise InvalidInput(f"At most {MOST_ROWS} rows are edited at once.")
    if wanted[-1] > version.row_count:
        raise NotFound(f"There is no row {wanted[-1]:,} in this version.")
    rows = datasets.read_places(version, storage=services.storage, places=[number - 1 for number in wanted])
    if sum(_sent_bytes(row.row) for row in rows) > _MOST_BYTES:
        raise InvalidInput("These rows are too long to be edited together; tick fewer of them.")
    return rows


def _sent_bytes(row: Mapping[str, Any]) -> int:
    texts = sum(len(part.turns) for part in parts_of(row))
    return len(json.dumps(row, ensure_ascii=False).encode()) + _BYTES_A_TEXT * texts


def _by_row(form: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """The fields of each row: `7.messages.0.text` is one of row 7."""
    found: dict[str, dict[str, str]] = {}
    for name, value in form.items():
        row, _, rest = name.partition(".")
        if rest and row.isdecimal():
            found.setdefault(row, {})[rest] = value
    return found


def _posted(row: NumberedRow, sent: Mapping[str, str]) -> EditedRow:
    parts = posted_parts(row.row, sent) if sent else parts_of(row.row)
    return EditedRow(row, parts, leave_out=sent.get("leave_out") == "true")


def _acted(row: EditedRow, action: str) -> EditedRow:
    """A button says `up.7.messages.0`: the row stands after the verb."""
    verb, _, rest = action.partition(".")
    number, _, place = rest.partition(".")
    return replace(row, parts=act(row.parts, f"{verb}.{place}")) if number == str(row.stored.number) else row


def _steps(rows: Sequence[EditedRow]) -> list[dict[str, Any]]:
    """An edit for each row that was changed, and one step for all that are left out."""
    written = {row.stored.number: written_row(row.stored.row, row.parts) for row in rows if not row.leave_out}
    stored = {row.stored.number: row.stored.row for row in rows}
    steps: list[dict[str, Any]] = [
        {"do": "edit", "number": number, "row": row} for number, row in written.items() if row != stored[number]
    ]
    left_out = [row.stored.number for row in rows if row.leave_out]
    return [*steps, {"do": "drop_rows", "rows": left_out}] if left_out else steps


def _told(rows: Sequence[EditedRow], steps: Sequence[dict[str, Any]], error: InvalidInput) -> list[EditedRow]:
    """The rows with what is wrong beside the one that it is about: `recipe.3` names a step."""
    wrong: dict[int, str] = {}
    for name, sentence in error.fields.items():
        place = name.removeprefix("recipe.").partition(".")[0]
        if place.isdecimal() and int(place) < len(steps):
            wrong[steps[int(place)].get("number", 0)] = sentence
    return [replace(row, error=wrong.get(row.stored.number, "")) for row in rows]


def _form(
    request: Request,
    session: Session,
    actor: Actor,
    version: DatasetVersion,
    rows: Sequence[EditedRow],
    error: InvalidInput | None = None,
) -> HTMLResponse:
    context = header_of(session, actor, version, "preview") | {
        "rows": rows,
        "roles": ROLES,
        "error": error,
        "next_number": version.dataset.latest.number + 1,
        "numbers": "&".join(f"row={row.stored.number}" for row in rows),
    }
    return render(request, "datasets/edit_rows.html", context, error.status_code if error else 200)
