"""Raises the cap of a run that no worker holds, or goes on from one that its cap has ended."""

from pydantic import ValidationError

from studio import runs
from studio.actors import Actor
from studio.budget.capping import Spent, in_dollars, words_of_cap
from studio.db import SessionFactory, transaction
from studio.errors import InvalidInput
from studio.queue import Queue
from studio.runs import Run
from studio.runs.spec_limits import Budget
from studio.settings import Settings
from studio.spending.stints import spent

_HOUR = 3600.0


def raise_cap(
    session_factory: SessionFactory,
    actor: Actor,
    run_id: str,
    *,
    queue: Queue,
    settings: Settings,
    max_dollars: float | None = None,
    max_hours: float | None = None,
) -> Run:
    """Let a run that waits or is paused spend more; one that ended at its cap goes on as a new run. Commits by itself.

    A limit of None stays as it is. Of a run that ended it gives the same new run when asked twice. Raises InvalidInput
    unless a limit becomes higher, none lower and there is something left to spend; Conflict while a worker holds the
    run, when its cap did not end it, or when it already goes on under another one.
    """
    with transaction(session_factory) as session:
        run = runs.get_run(session, actor, run_id)
        # Two that raise at once must not lose what the other has raised.
        session.refresh(run, with_for_update={"of": Run})
        before = run.run_spec.budget
        budget = raised(before, max_dollars=max_dollars, max_hours=max_hours)
        _refuse_what_lets_it_do_nothing(run, before, budget, spent(session, run))
        if not run.is_over:
            return runs.change_budget(session, run, budget, f"The cap was raised: {_from_to(before, budget)}.")
    return runs.go_on_under(session_factory, actor, run_id, budget, queue=queue, settings=settings)


def raised(before: Budget, *, max_dollars: float | None, max_hours: float | None) -> Budget:
    """A budget with these limits in place of lower ones."""
    wanted = {"max_dollars": max_dollars, "max_hours": max_hours}
    given = {name: limit for name, limit in wanted.items() if limit is not None}
    try:
        budget = Budget.model_validate({**before.model_dump(), **given})
    except ValidationError as error:
        fields = runs.errors_by_field(error)
        raise InvalidInput(next(iter(fields.values())), fields=fields) from error
    for name, limit in given.items():
        now = getattr(before, name)
        if now is None:
            _refuse(name, "The run has no such cap, so there is none to raise.")
        elif limit < now:
            _refuse(name, f"A cap can only be raised; it is {_words(before, name)} now.")
    if budget == before:
        _refuse(next(iter(given), "max_dollars"), "Say a cap that is higher than the present one.")
    return budget


def _refuse_what_lets_it_do_nothing(run: Run, before: Budget, after: Budget, so_far: Spent) -> None:
    by = run.stopped_by or ""
    if run.ended_at_cap and getattr(after, by) == getattr(before, by):
        _refuse(by, f"The run ended at its cap of {_words(before, by)}: raise that one.")
    if after.max_dollars is not None and (so_far.dollars or 0.0) >= after.max_dollars:
        _refuse("max_dollars", f"The run has already cost {in_dollars(so_far.dollars or 0.0)}: say a higher cap.")
    if after.max_hours is not None and so_far.seconds >= after.max_hours * _HOUR:
        hours = f"{so_far.seconds / _HOUR:.3g} h"
        _refuse("max_hours", f"The run has already held hardware for {hours}: say a higher cap.")


def _refuse(name: str, sentence: str) -> None:
    raise InvalidInput(sentence, fields={name: sentence})


def _from_to(before: Budget, after: Budget) -> str:
    names = [name for name in Budget.model_fields if getattr(before, name) != getattr(after, name)]
    return ", ".join(f"{_words(before, name)} → {_words(after, name)}" for name in names)


def _words(budget: Budget, name: str) -> str:
    return words_of_cap(budget, "max_dollars" if name == "max_dollars" else "max_hours")
