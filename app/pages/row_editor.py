"""Edit one row: write its turns, move, add or remove them, or drop the row; saved as a version like any other fix."""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy.orm import Session

from app.deps import CurrentActor, CurrentServices, CurrentSession, PickedVersion, Services
from app.pages._editor import ROLES, EditedPart, act, parts_of, posted_parts, row_of
from app.pages._header import header_of
from app.pages._values import ManyValues
from app.pages.fixes import try_recipe
from app.render import render
from studio import datasets
from studio.actors import Actor
from studio.datasets import DatasetVersion, NumberedRow
from studio.errors import InvalidInput, NotFound

router = APIRouter(prefix="/datasets/{dataset_id}/rows/{row_number}/edit")
RowNumber = Annotated[int, Path(ge=1, le=2**31)]


@router.get("")
def edit_row(
    request: Request,
    version: PickedVersion,
    row_number: RowNumber,
    session: CurrentSession,
    actor: CurrentActor,
    services: CurrentServices,
) -> HTMLResponse:
    """The form of a row."""
    row = _row(services, version, row_number)
    return _form(request, session, actor, version, row, parts_of(row.row))


@router.post("")
def save_row(
    request: Request,
    version: PickedVersion,
    row_number: RowNumber,
    form: ManyValues,
    session: CurrentSession,
    actor: CurrentActor,
    services: CurrentServices,
) -> Response:
    """Move, add or remove a turn and show the form again; or try the edited row, or the dataset without it."""
    action = form.get("act", "save")
    if action == "drop":
        recipe = datasets.read_recipe([{"do": "drop_rows", "rows": [row_number]}])
        return try_recipe(request, session, actor, services, version, recipe)
    row = _row(services, version, row_number)
    parts = posted_parts(row.row, form)
    if action != "save":
        return _form(request, session, actor, version, row, act(parts, action))
    try:
        edited = row_of(row.row, parts)
        recipe = datasets.read_recipe([{"do": "edit", "number": row_number, "row": edited}])
        return try_recipe(request, session, actor, services, version, recipe)
    except InvalidInput as error:
        return _form(request, session, actor, version, row, parts, error)


def _row(services: Services, version: DatasetVersion, row_number: int) -> NumberedRow:
    if row_number > version.row_count:
        raise NotFound(f"There is no row {row_number:,} in this version.")
    return datasets.read_places(version, storage=services.storage, places=[row_number - 1])[0]


def _form(
    request: Request,
    session: Session,
    actor: Actor,
    version: DatasetVersion,
    row: NumberedRow,
    parts: list[EditedPart],
    error: InvalidInput | None = None,
) -> HTMLResponse:
    context = {"row": row, "parts": parts, "roles": ROLES, "error": error}
    context |= header_of(session, actor, version, "preview")
    return render(request, "datasets/edit_row.html", context, error.status_code if error else 200)
