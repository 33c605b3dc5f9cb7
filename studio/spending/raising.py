"""Raises the cap of a run that no worker holds, or goes on from one that its cap has ended."""

from pydantic import ValidationError

from studio import runs
from studio.actors import Actor
from studio.budget.capping import words_of_cap
from studio.db import SessionFactory, transaction
from studio.errors import InvalidInput
from studio.queue import Queue
from studio.runs import Run
from studio.runs.spec_limits import Budget
from studio.settings import Settings


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
    unless a limit becomes higher and none lower, Conflict while a worker holds the run or when its cap did not end it.
    """
    with transaction(session_factory) as session:
        run = runs.get_run(session, actor, run_id)
        before = run.run_spec.budget
        budget = raised(before, max_dollars=max_dollars, max_hours=max_hours)
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


def _refuse(name: str, sentence: str) -> None:
    raise InvalidInput(sentence, fields={name: sentence})


def _from_to(before: Budget, after: Budget) -> str:
    names = [name for name in Budget.model_fields if getattr(before, name) != getattr(after, name)]
    return ", ".join(f"{_words(before, name)} → {_words(after, name)}" for name in names)


def _words(budget: Budget, name: str) -> str:
    return words_of_cap(budget, "max_dollars" if name == "max_dollars" else "max_hours")
