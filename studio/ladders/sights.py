"""A ladder as it stands: its rungs with their runs and prices, what they gained, and which one to keep."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from sqlalchemy import select
from sqlalchemy.orm import Session

from studio import spending
from studio.budget.capping import Spent
from studio.ladders.climbing import Keep, Rung, gain_of, quality_of, rung_to_keep
from studio.ladders.models import Ladder
from studio.ladders.rungs import rung_label
from studio.runs import Run, RunSpec
from studio.runs.spec_limits import Budget


@dataclass(frozen=True, slots=True)
class SeenRung:
    """One rung for a table; `gain` is against the best below it, `quality` of the best one, both as shares."""

    standing: Rung
    run: Run | None
    gain: float | None
    quality: float | None
    is_kept: bool


@dataclass(frozen=True)
class Sight:
    """A ladder with the runs of its rungs, and what each run has spent by itself."""

    ladder: Ladder
    runs: tuple[Run, ...]
    spent_by_run: dict[str, Spent]

    @cached_property
    def specs(self) -> list[RunSpec]:
        """What each rung trains, the smallest first."""
        return [RunSpec.model_validate(spec) for spec in self.ladder.specs]

    @property
    def budget(self) -> Budget:
        """The cap of the whole ladder."""
        return self.specs[0].budget

    @cached_property
    def standings(self) -> list[Rung]:
        """How each rung stands."""
        return [self._standing(number, spec) for number, spec in enumerate(self.specs)]

    @cached_property
    def keep(self) -> Keep | None:
        """The rung to keep, as far as one can tell yet."""
        return rung_to_keep(self.standings, self.ladder.min_gain)

    @cached_property
    def rungs(self) -> list[SeenRung]:
        """The rungs for a table."""
        kept = self.keep.number if self.keep else None
        return [
            SeenRung(
                standing=rung,
                run=self._run_of(rung.number),
                gain=gain_of(self.standings, rung.number),
                quality=quality_of(self.standings, rung.number),
                is_kept=rung.number == kept,
            )
            for rung in self.standings
        ]

    @property
    def spent(self) -> Spent:
        """What all its runs have cost so far, those that were retried included."""
        return _sum(list(self.spent_by_run.values()))

    @property
    def launched(self) -> int:
        """How many rungs have, or had, a run."""
        return sum(rung.is_launched for rung in self.standings)

    @property
    def open_runs(self) -> list[Run]:
        """Those that are not over: one, or more where a rung was retried meanwhile."""
        return [run for run in self.runs if not run.is_over]

    @property
    def next_number(self) -> int | None:
        """The rung above the highest that was launched."""
        number = max((run.rung for run in self.runs if run.rung is not None), default=-1) + 1
        return number if number < len(self.specs) else None

    def _run_of(self, number: int) -> Run | None:
        """The newest run of a rung, or the newest that succeeded: a rung may have been retried."""
        mine = [run for run in self.runs if run.rung == number]
        done = [run for run in mine if run.status == "succeeded"]
        return (done or mine)[-1] if mine else None

    def _standing(self, number: int, spec: RunSpec) -> Rung:
        run = self._run_of(number)
        if run is None:
            return Rung(number, rung_label(spec))
        spent = _sum(
            [self.spent_by_run[one.id] for one in self.runs if one.rung == number and one.id in self.spent_by_run]
        )
        return Rung(
            number=number,
            label=rung_label(spec),
            status=run.status,
            loss=run.best_validation_loss,
            untrained=run.initial_validation_loss,
            seconds=spent.seconds,
            dollars=None if spent.unpriced_seconds > 0 else spent.dollars,
        )


def sight_of(session: Session, ladder: Ladder) -> Sight:
    """One ladder as it stands."""
    return sights_of(session, [ladder])[0]


def sights_of(session: Session, ladders: Sequence[Ladder]) -> list[Sight]:
    """Several ladders as they stand, by two statements however many they are."""
    rungs = (Run.ladder_id.in_([ladder.id for ladder in ladders]), Run.kind == "training", Run.rung.is_not(None))
    found = list(session.scalars(select(Run).where(*rungs).order_by(Run.id)))
    spent = spending.spent_by_run(session, [run.id for run in found])
    return [_sight(ladder, [run for run in found if run.ladder_id == ladder.id], spent) for ladder in ladders]


def _sight(ladder: Ladder, mine: list[Run], spent: dict[str, Spent]) -> Sight:
    return Sight(ladder, tuple(mine), {run.id: spent[run.id] for run in mine if run.id in spent})


def _sum(parts: Sequence[Spent]) -> Spent:
    priced = [part.dollars for part in parts if part.dollars is not None]
    return Spent(
        seconds=sum(part.seconds for part in parts),
        dollars=sum(priced) if priced else None,
        unpriced_seconds=sum(part.unpriced_seconds for part in parts),
    )
