"""The hardware that estimates know, and what an hour of it costs its owner."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from app.deps import CurrentActor, CurrentSession
from app.forms import as_text
from app.pages._values import FormValues
from app.render import is_fragment_request, render
from studio import runs, spending
from studio.actors import Actor
from studio.budget import find_hardware
from studio.errors import InvalidInput, NotFound
from studio.spending import PricedHardware

router = APIRouter(prefix="/spending/prices")
_FIELDS = ("dollars_per_hour", "watts", "dollars_per_kwh")
# A thousand to some, one to others.
_AMBIGUOUS = re.compile(r"[1-9]\d{0,2},\d{3}")
HardwareId = Annotated[str, Path(max_length=40, description="An id of the hardware catalogue.")]


@dataclass(frozen=True, slots=True)
class PriceRow:
    """One line of the table; `opened` shows its form with what was entered and what is wrong with it."""

    known: PricedHardware
    values: Mapping[str, str]
    is_detected: bool
    errors: Mapping[str, str]
    opened: bool = False
    saved: bool = False


@router.get("")
def show_prices(request: Request, session: CurrentSession, actor: CurrentActor) -> HTMLResponse:
    """The whole table, with what workers have first."""
    return render(request, "spending/prices.html", _page(session, actor))


@router.post("/{hardware_id}")
def save_price(
    request: Request, hardware_id: HardwareId, form: FormValues, session: CurrentSession, actor: CurrentActor
) -> Response:
    """Keep what an hour costs, or say at the field what is wrong with it."""
    try:
        spending.set_price(session, actor, hardware_id, **_numbers(form))
    except InvalidInput as error:
        values = {name: form.get(name, "") for name in _FIELDS}
        return _answer(
            request, session, actor, hardware_id, values=values, errors=error.fields, status=error.status_code
        )
    return _answer(request, session, actor, hardware_id)


@router.post("/{hardware_id}/removal")
def remove_price(request: Request, hardware_id: HardwareId, session: CurrentSession, actor: CurrentActor) -> Response:
    """Forget it."""
    spending.remove_price(session, actor, hardware_id)
    return _answer(request, session, actor, hardware_id)


def _answer(
    request: Request,
    session: Session,
    actor: Actor,
    hardware_id: str,
    *,
    values: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
    status: int = 200,
) -> Response:
    """The line alone for htmx; else the page with the line in sight."""
    rows = _rows(session, actor, hardware_id, values, errors or {})
    row = next((row for row in rows if row.known.hardware.id == hardware_id), None)
    if row is None:
        raise NotFound("There is no such hardware in the catalogue.")
    if is_fragment_request(request):
        return render(request, "spending/_price.html", {"row": row}, status)
    if errors:
        return render(request, "spending/prices.html", {"rows": rows, "unknown": _unknown(session)}, status)
    return Response(status_code=303, headers={"location": f"/spending/prices#price-{hardware_id}"})


def _page(session: Session, actor: Actor) -> dict[str, Any]:
    return {"rows": _rows(session, actor), "unknown": _unknown(session)}


def _rows(
    session: Session,
    actor: Actor,
    touched: str = "",
    values: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
) -> list[PriceRow]:
    detected = {found.id for found in (_found(worker) for worker in runs.hardware_of_workers(session)) if found}
    rows = []
    for known in spending.list_prices(session, actor):
        is_touched = known.hardware.id == touched
        entered = values if is_touched and values is not None else _kept(known)
        wrong = errors or {} if is_touched else {}
        is_saved = is_touched and not wrong
        rows.append(PriceRow(known, entered, known.hardware.id in detected, wrong, opened=bool(wrong), saved=is_saved))
    return sorted(rows, key=lambda row: not row.is_detected)


def _kept(known: PricedHardware) -> dict[str, str]:
    return {name: as_text(getattr(known.price, name, None)) for name in _FIELDS}


def _found(worker: runs.Worker) -> Any:
    return find_hardware(worker.device, worker.memory_bytes, worker.cores)


def _unknown(session: Session) -> list[str]:
    """Devices of workers that the catalogue does not have."""
    return sorted(
        {worker.device for worker in runs.hardware_of_workers(session) if worker.device and not _found(worker)}
    )


def _numbers(form: Mapping[str, str]) -> dict[str, float | None]:
    """The fields as numbers; an empty one is None. Raises InvalidInput by field."""
    found: dict[str, float | None] = {}
    for name in _FIELDS:
        text = form.get(name, "").strip().removeprefix("$")
        if _AMBIGUOUS.fullmatch(text):
            sentence = f"Write {text.replace(',', '')} or {text.replace(',', '.')}, without a comma."
            raise InvalidInput(sentence, fields={name: sentence})
        try:
            found[name] = float(text.replace(",", ".")) if text else None
        except ValueError as error:
            sentence = "Write a number, such as 0.44."
            raise InvalidInput(sentence, fields={name: sentence}) from error
    return found
