"""Advice on a run that is being planned: which method and settings to begin with for what was chosen so far."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from studio.base_models import DEMO_ID, BaseModelFacts
from studio.budget.advice import Goal, MethodAdvice, advise_method
from studio.budget.estimate import Fix
from studio.datasets import DatasetVersion
from studio.runs import Plan, RunSpec
from studio.spending import Quote

# What a person wants of the result, which rows and hardware cannot say.
GOALS: Mapping[Goal, str] = {
    "task": "One task, done well",
    "quality": "One task, as well as a small adapter can",
    "many_tasks": "Many tasks over one base model",
    "knowledge": "New knowledge or open answers",
}


def advice_for(
    spec: RunSpec,
    plan: Plan,
    version: DatasetVersion,
    base_model: BaseModelFacts,
    *,
    quote: Quote | None,
    catalogue: Sequence[BaseModelFacts],
    goal: Goal,
) -> MethodAdvice:
    """Advise on a spec; what fits is taken from its quote, and not known without one."""
    offers = quote.methods if quote else ()
    return advise_method(
        base_model,
        rows=plan.train_rows,
        fits={offer.kind: offer.fit for offer in offers if offer.fit},
        on_gpu=not _is_on_cpu(quote),
        goal=goal,
        is_plain_text=version.canonical == "text",
        catalogue=[facts for facts in catalogue if facts.id != DEMO_ID],
        current=dict(_settings("", spec.model_dump())),
    )


def advised_fix(advice: MethodAdvice | None, key: str) -> Fix | None:
    """The button of the advice that has this key; None where it is offered no longer."""
    offered = (advice.fix, advice.smaller_fix) if advice else ()
    return next((fix for fix in offered if fix and fix.key == key), None)


def _is_on_cpu(quote: Quote | None) -> bool:
    return bool(quote and quote.estimate and (quote.estimate.hardware_id or "").startswith("cpu"))


def _settings(prefix: str, tree: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every setting by its dotted path."""
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _settings(f"{prefix}{name}.", value)
        else:
            yield f"{prefix}{name}", value
