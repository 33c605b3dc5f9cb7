"""The checklist of a run: what a careful person does before, during and after, ticked where a fact says so.

What is no fact stays an open box, and says that it is not known.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sqlalchemy.orm import Session

from app.alerts import alerts_of
from studio import adapters, datasets, runs
from studio.actors import Actor
from studio.base_models import BaseModelFacts, list_base_models
from studio.budget.capping import in_dollars

State = Literal["done", "open", "unknown"]
_FEWEST_VALIDATIONS = 5
_COPIES = ("exact_duplicates", "near_duplicates")
_LEAKS = ("leakage", "near_leakage")


@dataclass(frozen=True, slots=True)
class Line:
    """One line: whether it is done, the fact that says so, and where to mend it."""

    key: str
    label: str
    state: State
    fact: str
    href: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """The lines of a time: before, during or after the run."""

    title: str
    lines: tuple[Line, ...]

    @property
    def done(self) -> int:
        """How many are ticked."""
        return sum(line.state == "done" for line in self.lines)


@dataclass(frozen=True, slots=True)
class _Of:
    """What the lines are read from."""

    session: Session
    actor: Actor
    run: runs.Run
    spec: runs.RunSpec
    models: list[BaseModelFacts]
    tried: set[runs.Kin]


def checklist_of(session: Session, run: runs.Run, models_root: Path | None) -> list[Group]:
    """All lines that apply to the run; a constant number of queries."""
    actor = Actor(run.owner_id)
    models, tried = list_base_models(models_root), runs.tried_before(session, run)
    of = _Of(session, actor, run, run.run_spec, models, tried)
    groups = [Group("Before", (*_data_lines(of), *_plan_lines(of))), Group("During", tuple(_during(of)))]
    # A trial leaves no weights: there is nothing to judge.
    return groups if run.kind == "trial" else [*groups, Group("After", tuple(_after(of)))]


def _line(key: str, label: str, done: bool, fact: str, href: str = "") -> Line:
    return Line(key, label, "done" if done else "open", fact, "" if done else href)


def _data_lines(of: _Of) -> Iterator[Line]:
    run, version = of.run, of.run.dataset_version
    checks = f"/datasets/{version.dataset_id}/checks?version={version.number}"
    checkup = datasets.checkup_of(of.session, of.actor, version)
    found: dict[str, Any] | None = checkup.result if checkup is not None and checkup.status == "done" else None
    if found is None:
        yield Line("data_checked", "Data checked", "open", "The checks have not run on this version.", checks)
    else:
        health = found["health"]
        words = f"{_counted(health['blocker'], 'blocker')}, {_counted(health['warning'], 'warning')}."
        yield _line("data_checked", "Data checked", not health["blocker"], words, checks)
    yield _counts("deduplicated", "No copies among the rows", found, _COPIES, "a copy of another", checks)
    yield _counts("no_leak", "No test or validation row among the training rows", found, _LEAKS, "leaked", checks)
    yield _test_line(of)
    yield _cut_line(run, f"/datasets/{version.dataset_id}/tokens?version={version.number}")
    longest = of.spec.data.max_length_tokens
    yield Line("length_capped", "Length capped", "done", f"At most {longest:,} tokens of a row are learned.")


def _counts(key: str, label: str, found: dict[str, Any] | None, names: tuple[str, ...], what: str, href: str) -> Line:
    if found is None:
        return Line(key, label, "unknown", "Not known: the checks have not run.", href)
    count = sum(check["count"] for check in found["checks"] if check["name"] in names)
    fact = "None was found." if not count else f"{_counted(count, 'row')} {'is' if count == 1 else 'are'} {what}."
    return _line(key, label, not count, fact, href)


def _test_line(of: _Of) -> Line:
    version, split = of.run.dataset_version, of.spec.data.split
    rows = runs.make_plan(of.spec, version.row_count).test_rows
    label, href = "Test rows kept for the end", f"/datasets/{version.dataset_id}/split"
    if not rows:
        return Line("test_frozen", label, "open", "No row is kept for a last, honest test.", href)
    if split.is_frozen:
        fact = f"{_counted(rows, 'test row')}, frozen: they stay test rows in versions made from this one."
        return Line("test_frozen", label, "done", fact)
    if split.model_dump(mode="json") != version.split:
        fact = "This run splits the rows in its own way, so rows that test it may have trained other runs."
        return Line("test_frozen", label, "open", fact, href)
    return Line("test_frozen", label, "done", f"{_counted(rows, 'test row')}, the same for each run on this version.")


def _cut_line(run: runs.Run, href: str) -> Line:
    label = "The longest row fits"
    if "cut_rows" not in run.resolved:
        return Line("rows_fit", label, "unknown", "Not known until the rows are tokenised.", href)
    cut, dropped = run.resolved["cut_rows"], run.resolved.get("dropped_rows", 0)
    if not cut and not dropped:
        return Line("rows_fit", label, "done", "No row is cut.")
    left_out = f", {dropped:,} left out" if dropped else ""
    return Line("rows_fit", label, "open", f"{_counted(cut, 'row')} cut{left_out}.", href)


def _plan_lines(of: _Of) -> Iterator[Line]:
    run, spec = of.run, of.spec
    before = run.initial_validation_loss
    fact = f"Validation loss {before:.3g} before training." if before is not None else "Not measured yet."
    yield _line("baseline", "Baseline measured", before is not None, fact)
    prompted = "Not known: try the base model with a good prompt and a few examples before you pay for more."
    yield Line("prompted_baseline", "Compared with the prompted base model", "unknown", prompted)
    yield _smallest_line(of)
    yield _changed_line(of)
    if run.kind == "training":
        tried = any(
            one.kind == "trial" and one.is_same_version and (one.base_model, one.method) == (run.base_model, run.method)
            for one in of.tried
        )
        words = "A trial of this model and method ran before." if tried else "No trial ran before this run."
        yield _line("trial", "Trial run done", tried, words)
    yield _line("cap", "Cap set", spec.budget.is_set, _cap_words(spec), f"/runs/new?from={run.id}")
    early = spec.evaluation.early_stopping.patience
    words = f"Stops after {_counted(early, 'validation')} without a gain." if early else "It is off."
    yield _line("early_stopping", "Early stopping on", early > 0, words, f"/runs/new?from={run.id}")
    yield _licence_line(run, spec)


def _cap_words(spec: runs.RunSpec) -> str:
    dollars, hours = spec.budget.max_dollars, spec.budget.max_hours
    caps = [in_dollars(dollars)] if dollars is not None else []
    caps += [f"{hours:g} hours"] if hours is not None else []
    return f"The run stops at {' or '.join(caps)}." if caps else "Nothing bounds what this run may cost."


def _licence_line(run: runs.Run, spec: runs.RunSpec) -> Line:
    label = "Licences accepted"
    if not run.license_statement:
        return Line("license", label, "unknown", "Not known: no statement was kept with this run.")
    said = "Accepted" if spec.license.accepted else "They ask for no acceptance"
    return Line("license", label, "done", f"{said}; the statement is kept with the run.")


def _smallest_line(of: _Of) -> Line:
    label = "Smallest model first"
    sizes = {model.id: model for model in of.models if model.parameters}
    mine = sizes.get(of.run.base_model)
    if mine is None:
        return Line(
            "smallest_first", label, "unknown", "Not known: the size of this base model is not in the catalogue."
        )
    smaller = sorted(
        (one for one in sizes.values() if one.family == mine.family and (one.parameters or 0) < (mine.parameters or 0)),
        key=lambda one: one.parameters or 0,
    )
    if not smaller:
        return Line("smallest_first", label, "done", f"{mine.label} is the smallest of its family.")
    tried = {kin.base_model for kin in of.tried if kin.kind == "training"}
    known = [one for one in sizes.values() if one.id in tried and (one.parameters or 0) < (mine.parameters or 0)]
    if known:
        return Line("smallest_first", label, "done", f"{known[0].label} was tried on this dataset before.")
    fact = f"{smaller[-1].label} is smaller and was not tried on this dataset."
    return Line("smallest_first", label, "open", fact, f"/runs/new?from={of.run.id}")


def _changed_line(of: _Of) -> Line:
    label = "One thing changed against the run before"
    if of.run.parent_run_id is None:
        return Line("one_change", label, "unknown", "This run follows no other.")
    parent = runs.get_run(of.session, of.actor, of.run.parent_run_id)
    found = [str(change) for change in runs.changes(parent.run_spec, of.spec)]
    if not found:
        return Line("one_change", label, "done", "Nothing was changed.")
    if len(found) == 1:
        return Line("one_change", label, "done", f"Only this: {found[0]}.")
    fact = f"{len(found)} things changed, so what made the difference cannot be told: {'; '.join(found)}."
    return Line("one_change", label, "open", fact)


def _during(of: _Of) -> Iterator[Line]:
    run = of.run
    plan = runs.make_plan(of.spec, run.dataset_version.row_count)
    planned = plan.evaluations - 1
    fact = f"{_counted(planned, 'validation')}, every {_counted(plan.evaluate_every, 'step')}."
    yield _line("validated", "Validation measured often enough", planned >= _FEWEST_VALIDATIONS, fact)
    label = "No alert on the curves"
    # A forecast of money is nothing that a curve shows.
    found = [one for one in alerts_of(of.session, run) if one.told.kind != "over_budget"]
    if found:
        yield Line("no_alert", label, "open", f"{'; '.join(one.told.title for one in found)}.", "#run-alerts")
    elif run.last_train_loss is None:
        yield Line("no_alert", label, "unknown", "Nothing is measured yet.")
    else:
        yield Line("no_alert", label, "done", f"None up to step {run.step:,}.")
    if run.kind == "trial":
        return
    kept = run.checkpoint_step
    fact = f"Step {kept:,} is whole on disk." if kept is not None else "None is written yet."
    yield _line("checkpoint", "A checkpoint to go on from", kept is not None, fact)


def _after(of: _Of) -> Iterator[Line]:
    run = of.run
    before, best = run.initial_validation_loss, run.best_validation_loss
    label = "Better than before training"
    if not run.is_over or before is None or best is None:
        words = "Not yet: the run goes on." if not run.is_over else "Not known: there are not two validations."
        yield Line("better", label, "unknown", words)
    else:
        words = f"Validation loss {before:.3g} before, {best:.3g} at best."
        yield _line("better", label, best < before, words)
    yield _best_line(run)
    adapter = adapters.adapter_of_run(of.session, run) if run.status == "succeeded" else None
    fact = f"{adapter.size_bytes / 1e6:,.1f} MB, with its hash." if adapter else "There is none yet."
    yield _line("adapter", "Adapter stored", adapter is not None, fact)
    yield Line("read", "Sample answers read", "unknown", "Only you know.", "#answers")


def _best_line(run: runs.Run) -> Line:
    label = "The best step was picked by validation"
    if run.best_step is None:
        return Line("best", label, "open", "No validation has picked one.")
    if not run.is_over:
        return Line("best", label, "done", f"Step {run.best_step:,} is the best so far.")
    if run.best_step < run.step:
        return Line("best", label, "done", f"Step {run.best_step:,} of {run.step:,}: what came later was left out.")
    return Line("best", label, "done", f"The last one, step {run.step:,}: more steps may gain more.")


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
