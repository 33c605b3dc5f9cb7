"""What the charts of a run page draw."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from studio.runs import MAX_POINTS, Run, SeriesPoint, read_series, series_names

_TABLE_ROWS = 500
_NOT_FINITE = {"nan": "NaN", "inf": "∞", "-inf": "−∞"}


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart: its metrics by Hugging Face's names, and what its axis says."""

    id: str
    label: str
    axis: str
    metrics: tuple[str, ...]


CHARTS: tuple[Chart, ...] = (
    Chart("learning-rate", "Learning rate", "Learning rate", ("train/learning_rate",)),
    Chart("gradient-norm", "Gradient norm", "Gradient norm (L2)", ("train/grad_norm",)),
    Chart(
        "token-accuracy",
        "Token accuracy",
        "Tokens predicted right (share)",
        ("train/mean_token_accuracy", "eval/mean_token_accuracy"),
    ),
    Chart("throughput", "Throughput", "Tokens per second", ("train/tokens_per_second",)),
)


@dataclass(frozen=True, slots=True)
class LossRow:
    """A step at which the validation loss was measured, or a training loss that is not finite."""

    step: int
    train: str
    validation: str
    note: str = ""


def series_of(
    session: Session, run: Run, *, first_step: int = 0, last_step: int | None = None, max_points: int = MAX_POINTS
) -> dict[str, list[list[Any]]]:
    """All histories: name -> [step, value or None, low, high, kind]."""
    wanted = {"first_step": first_step, "last_step": last_step, "max_points": max_points}
    return {
        name: [[point.step, point.value, point.low, point.high, point.kind] for point in points]
        for name in series_names(session, run)
        if (points := read_series(session, run, name, **wanted))  # type: ignore[arg-type]
    }


def loss_table(session: Session, run: Run) -> list[LossRow]:
    """A row for each validation, with the training loss up to it, and for each training loss that is not finite."""
    train = read_series(session, run, "train/loss")
    measured = read_series(session, run, "eval/loss", max_points=_TABLE_ROWS)
    validated = {point.step for point in measured}
    odd = [point for point in train if point.value is None and point.step not in validated]
    rows = [LossRow(point.step, _written(point), "–", "not finite") for point in odd]
    seen = 0
    for point in measured:
        while seen < len(train) and train[seen].step <= point.step:
            seen += 1
        before = _written(train[seen - 1]) if seen else "–"
        note = "best checkpoint" if point.step == run.best_step else ""
        rows.append(LossRow(point.step, before, _written(point), note if point.value is not None else "not finite"))
    return sorted(rows, key=lambda row: row.step, reverse=True)


def _written(point: SeriesPoint) -> str:
    return f"{point.value:.4f}" if point.value is not None else _NOT_FINITE[point.kind]
