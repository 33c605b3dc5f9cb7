"""The advice of the launch form: which method and settings to begin with for what was chosen so far."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from studio.base_models import DEMO_ID, BaseModelFacts
from studio.budget.advice import MethodAdvice, advise_method
from studio.budget.estimate import Fix
from studio.datasets import DatasetVersion
from studio.runs import Plan, RunSpec
from studio.spending import Quote


def advice_for(
    spec: RunSpec | None,
    plan: Plan | None,
    version: DatasetVersion | None,
    base_model: BaseModelFacts | None,
    *,
    quote: Quote | None,
    catalogue: Sequence[BaseModelFacts],
) -> MethodAdvice | None:
    """Advice on a form that can be read as a spec; None before."""
    if spec is None or plan is None or version is None or base_model is None:
        return None
    offers = quote.methods if quote else ()
    return advise_method(
        base_model,
        rows=plan.train_rows,
        fits={offer.kind: offer.fit for offer in offers if offer.fit},
        on_gpu=not _is_on_cpu(quote),
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
