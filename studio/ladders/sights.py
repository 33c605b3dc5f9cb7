"""A ladder as it stands: its rungs with their runs and prices, what they gained, and which one to keep."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from sqlalchemy import select
from sqlalchemy.orm import Session

from studio import spending
from studio.budget import HARDWARE
from studio.budget.capping import Spent
from studio.ladders import words
from studio.ladders.climbing import Keep, rung_to_keep
from studio.ladders.models import Ladder
from studio.ladders.rungs import rung_label
from studio.ladders.standing import Rung, Worth, is_priced, quality_of, worth_of
from studio.runs import Run, RunSpec, Stint
from studio.runs.spec_limits import Budget


@dataclass(frozen=True, slots=True)
class SeenRung:
    """One rung for a table; `quality` is that of the best one, as a share.

    `estimated_for` and `trained_on` name hardware, empty before that is known.
    """

    standing: Rung
    run: Run | None
    worth: Worth
    quality: float | None
    is_kept: bool
    estimated_for: str = ""
    trained_on: str = ""


@dataclass(frozen=True)
class Sight:
    """A ladder with the runs of its rungs, what each run has spent by itself, and the hardware that trained it."""

    ladder: Ladder
    runs: tuple[Run, ...]
    spent_by_run: dict[str, Spent]
    trained_on: dict[str, str]

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
                worth=worth_of(self.standings, rung.number),
                quality=quality_of(self.standings, rung.number),
                is_kept=rung.number == kept,
                estimated_for=_estimated_for(self._run_of(rung.number)),
                trained_on=self._trained_on(rung.number),
            )
            for rung in self.standings
        ]

    @property
    def is_priced(self) -> bool:
        """Whether its rungs can be compared in dollars; else they are in time."""
        done = [rung for rung in self.standings if rung.has_result]
        return is_priced(done or [rung for rung in self.standings if rung.is_launched])

    @cached_property
    def notes(self) -> list[str]:
        """What else is to be said of how it climbed: rungs that were climbed past, and other hardware than chosen."""
        return [*words.climbed_past(self.standings, self.ladder.min_gain), *self._hardware_notes()]

    @property
    def chosen_hardware(self) -> str:
        """What a person chose to estimate it for, as it is called; empty without a choice."""
        return _label(self.ladder.hardware or "")

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

    def _hardware_notes(self) -> list[str]:
        chosen = self.chosen_hardware
        if not chosen:
            return []
        estimated = {rung.standing.label: rung.estimated_for for rung in self.rungs}
        trained = {rung.standing.label: rung.trained_on for rung in self.rungs}
        return words.other_hardware(chosen, _others(chosen, estimated), _others(chosen, trained))

    def _trained_on(self, number: int) -> str:
        run = self._run_of(number)
        return self.trained_on.get(run.id, "") if run else ""

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
    """Several ladders as they stand, by three statements however many they are."""
    rungs = (Run.ladder_id.in_([ladder.id for ladder in ladders]), Run.kind == "training", Run.rung.is_not(None))
    found = list(session.scalars(select(Run).where(*rungs).order_by(Run.id)))
    run_ids = [run.id for run in found]
    spent, trained_on = spending.spent_by_run(session, run_ids), _hardware_by_run(session, run_ids)
    return [
        _sight(ladder, [run for run in found if run.ladder_id == ladder.id], spent, trained_on) for ladder in ladders
    ]


def _sight(ladder: Ladder, mine: list[Run], spent: dict[str, Spent], trained_on: dict[str, str]) -> Sight:
    return Sight(
        ladder=ladder,
        runs=tuple(mine),
        spent_by_run={run.id: spent[run.id] for run in mine if run.id in spent},
        trained_on={run.id: trained_on[run.id] for run in mine if run.id in trained_on},
    )


def _hardware_by_run(session: Session, run_ids: Sequence[str]) -> dict[str, str]:
    """What the last attempt of each run had; the name of its device where that is not in the catalogue."""
    query = select(Stint.run_id, Stint.hardware, Stint.device).where(Stint.run_id.in_(run_ids)).order_by(Stint.epoch)
    return {run_id: _label(hardware) or device for run_id, hardware, device in session.execute(query)}


def _estimated_for(run: Run | None) -> str:
    """As its quote says; empty for a run without an estimate."""
    estimate = (run.quote.get("estimate") if run else None) or {}
    return _label(estimate.get("hardware_id") or "")


def _label(hardware_id: str) -> str:
    return HARDWARE[hardware_id].label if hardware_id in HARDWARE else ""


def _others(chosen: str, by_rung: Mapping[str, str]) -> dict[str, str]:
    return {rung: hardware for rung, hardware in by_rung.items() if hardware not in ("", chosen)}


def _sum(parts: Sequence[Spent]) -> Spent:
    priced = [part.dollars for part in parts if part.dollars is not None]
    return Spent(
        seconds=sum(part.seconds for part in parts),
        dollars=sum(priced) if priced else None,
        unpriced_seconds=sum(part.unpriced_seconds for part in parts),
    )
