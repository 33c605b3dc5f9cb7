"""What runs held and cost: by month, dataset, run and hardware, and every attempt as CSV."""

import calendar
import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from app.deps import CurrentActor, CurrentSession
from app.render import render
from studio import spending
from studio.actors import Actor
from studio.db import utc_now
from studio.spending import By, Total

router = APIRouter(prefix="/spending")
Month = Annotated[str | None, Query(pattern=r"^(20[0-9]{2}-(0[1-9]|1[0-2])|all)$", description="2026-11, or all.")]
SHOWN_RUNS = 50
_TABLES: dict[By, tuple[str, str]] = {
    "dataset": ("By dataset", "Dataset"),
    "method": ("By method", "Method"),
    "hardware": ("By hardware", "Device"),
}
# A spreadsheet takes a cell that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@router.get("")
def show_spending(request: Request, session: CurrentSession, actor: CurrentActor, month: Month = None) -> HTMLResponse:
    """One month, this one unless asked, or all time; the months beside it."""
    return render(request, "spending/show.html", _page(session, actor, month))


@router.get("/attempts.csv")
def download_attempts(session: CurrentSession, actor: CurrentActor, month: Month = None) -> Response:
    """Every attempt with its hours and dollars; times are UTC."""
    text = io.StringIO()
    writer = csv.writer(text)
    lines = spending.lines(session, actor, month=_month(month))
    writer.writerow(spending.LINE_COLUMNS)
    writer.writerows([_cell(name, value) for name, value in line.items()] for line in lines)
    headers = {"Content-Disposition": f'attachment; filename="spending-{month or "all"}.csv"'}
    return Response(text.getvalue(), media_type="text/csv", headers=headers)


def _page(session: Session, actor: Actor, asked: str | None) -> dict[str, Any]:
    shown = asked or utc_now().strftime("%Y-%m")
    month = _month(shown)
    newest = spending.totals(session, actor, "run", month=month, limit=SHOWN_RUNS)
    tables = {by: spending.totals(session, actor, by, month=month) for by in _TABLES}
    return {
        "months": spending.totals(session, actor, "month"),
        "shown": shown,
        "title": _title(month),
        # A run has one dataset, so none is counted twice.
        "total": _sum(tables["dataset"]),
        "runs": newest,
        "launches": spending.launches(session, [total.key for total in newest]),
        "tables": [(label, column, by, tables[by]) for by, (label, column) in _TABLES.items()],
    }


def _month(asked: str | None) -> str | None:
    return None if asked in (None, "all") else asked


def _title(month: str | None) -> str:
    if month is None:
        return "All time"
    year, number = month.split("-")
    return f"{calendar.month_name[int(number)]} {year}"


def _sum(totals: Sequence[Total]) -> Total:
    return Total(
        key="",
        label="",
        runs=sum(total.runs for total in totals),
        seconds=sum(total.seconds for total in totals),
        dollars=_added([total.dollars for total in totals]),
        unpriced_seconds=sum(total.unpriced_seconds for total in totals),
        saved_seconds=sum(total.saved_seconds for total in totals),
        saved_dollars=_added([total.saved_dollars for total in totals]),
    )


def _added(amounts: Sequence[float | None]) -> float | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if known else None


def _cell(name: str, value: Any) -> Any:
    if name in ("began", "ended"):
        return datetime.fromtimestamp(value, UTC).isoformat(timespec="seconds")
    if isinstance(value, float):
        return round(value, 6)
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
