"""Which method and which settings to begin with, from rows, hardware and goal; the smallest model first. Pure.

Rules of thumb, each with its source where there is one. The estimate and the ladder measure what they cannot know.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from studio.base_models import BaseModelFacts
from studio.budget.estimate import Fit, Fix
from studio.methods import METHODS

Goal = Literal["task", "quality", "many_tasks", "knowledge"]

# Fewer rows than this are learned by heart by more than a handful of trained numbers.
_FEW_ROWS = 100
_SOME_ROWS = 500
# LoRA keeps up with full training until the rows hold more than its weights do; thinkingmachines.ai/blog/lora, 2025.
_MORE_THAN_LORA_HOLDS = 50_000
# Below, a learned prompt is far behind; from about here it catches up (arXiv 2104.08691, figure 1).
_PROMPT_TUNING_PARAMETERS = 7e9
# QLoRA's own settings (arXiv 2305.14314, table 9) halve the rate above 13 B.
_LARGE_PARAMETERS = 14e9
# The demo model: measured, 2e-4 hardly moves it within 3 passes.
_TOY_PARAMETERS = 50e6
# Rank by rows: a wider update than the rows need costs memory and learns noise.
_RANKS = ((500, 8), (20_000, 16), (100_000, 32))
_LARGEST_RANK = 64
# Passes by rows: few rows are read more often; large sets once or twice (LIMA: 15 passes over 1,000 rows, full).
_EPOCHS = ((200, 5.0), (5_000, 3.0), (20_000, 2.0))
# The smallest model that plausibly does it: facts and open answers need size, a narrow task does not.
_SMALLEST: Mapping[Goal, float] = {"task": 0.5e9, "quality": 0.5e9, "many_tasks": 0.5e9, "knowledge": 1.5e9}
_WORTH_SAYING = 1.5
# 3 B in 16 bits with LoRA are about 10 GB before the rows: no more fit on the 16 GB of the smallest cards.
_NEEDS_4_BITS = 3e9
_OVER_16_BITS = frozenset({"lora", "dora"})
_SMALLEST_ADAPTERS = frozenset({"ia3", "prompt_tuning"})


@dataclass(frozen=True, slots=True)
class MethodAdvice:
    """A method with its starting point; `fix` puts both into a spec, and is None where the spec is like that already.

    `smaller` names a smaller model to try first, `smaller_fix` takes it; `base_or_instruct` is a word on the kind of
    model. Both are empty where there is nothing to say.
    """

    kind: str
    settings: Mapping[str, Any]
    sentence: str
    reasons: tuple[str, ...]
    smaller: str
    base_or_instruct: str
    fix: Fix | None = None
    smaller_fix: Fix | None = None


def advise_method(
    base: BaseModelFacts,
    *,
    rows: int,
    fits: Mapping[str, Fit],
    on_gpu: bool = True,
    goal: Goal = "task",
    is_plain_text: bool = False,
    catalogue: Sequence[BaseModelFacts] = (),
    current: Mapping[str, Any] | None = None,
) -> MethodAdvice:
    """Advise on a run over `rows` training rows.

    `fits` says by method whether it fits the hardware; a method that is not in it is not known to. `current` are the
    settings of the spec by dotted path, so that nothing is advised that is already so.
    """
    kind, bits, reasons = _kind(base, rows, fits, on_gpu, goal)
    settings = starting_point(kind, rows=rows, parameters=base.parameters)
    if bits is not None:
        settings["method.base_bits"] = bits
    smaller = smaller_model(base, catalogue, goal)
    return MethodAdvice(
        kind=kind,
        settings=settings,
        sentence=f"{_name(kind, settings)}: {reasons[0]}",
        reasons=tuple(reasons),
        smaller=_smaller_sentence(base, smaller),
        base_or_instruct=_base_or_instruct(base, rows, is_plain_text),
        fix=_fix(kind, settings, fits, current),
        smaller_fix=_smaller_fix(smaller),
    )


def starting_point(kind: str, *, rows: int, parameters: int | None) -> dict[str, Any]:
    """Rank, learning rate and passes to begin with, by dotted path of a spec; None is the method's usual rate."""
    is_low_rank = "rank" in METHODS[kind].model_fields
    settings: dict[str, Any] = {"method.kind": kind}
    if is_low_rank:
        rank = _by_rows(_RANKS, rows, _LARGEST_RANK)
        settings |= {"method.rank": rank, "method.alpha": 2 * rank, "method.rslora": rank >= _LARGEST_RANK}
    settings["hyperparameters.learning_rate"] = _learning_rate(kind, parameters) if is_low_rank else None
    settings["hyperparameters.epochs"] = _by_rows(_EPOCHS, rows, 1.0)
    return settings


def smallest_model(catalogue: Sequence[BaseModelFacts], goal: Goal, family: str = "") -> BaseModelFacts:
    """The smallest open model that plausibly does it; of sizes near each other one of `family`, else the newest.

    The catalogue lists the models of a family from the older to the newer; it holds an open one for every goal.
    """
    able = [facts for facts in catalogue if _is_open(facts) and _size(facts) >= 0.98 * _SMALLEST[goal]]
    near = [facts for facts in able if _size(facts) < 1.3 * min(map(_size, able))]
    return max(enumerate(near), key=lambda one: (one[1].family == family, one[0]))[1]


def smaller_model(base: BaseModelFacts, catalogue: Sequence[BaseModelFacts], goal: Goal) -> BaseModelFacts | None:
    """The smallest model that plausibly does it, if it is clearly smaller than `base`."""
    if base.parameters is None or not catalogue:
        return None
    smallest = smallest_model(catalogue, goal, base.family)
    return smallest if _size(base) >= _WORTH_SAYING * _size(smallest) else None


def _size(facts: BaseModelFacts) -> int:
    return facts.parameters or 0


def _is_open(facts: BaseModelFacts) -> bool:
    return not facts.gated and facts.chat


def _kind(
    base: BaseModelFacts, rows: int, fits: Mapping[str, Fit], on_gpu: bool, goal: Goal
) -> tuple[str, int | None, list[str]]:
    """The method, the bits of its base where they are not its usual ones, and why, the strongest reason first."""
    wanted, reasons = _wanted(base, rows, fits, goal)
    if not fits and on_gpu and wanted in _OVER_16_BITS and _size(base) >= _NEEDS_4_BITS:
        return "qlora", None, ["what it will run on is not known; over a 4-bit base it fits most GPUs.", *reasons]
    if fits.get(wanted, "fits") == "fits" or not on_gpu:
        return wanted, None, reasons
    if fits.get("qlora") == "does_not_fit":
        return "qlora", None, ["nothing fits this GPU with these settings; 4-bit weights come nearest."]
    how = "is tight on" if fits[wanted] == "tight" else "does not fit"
    then = "just fits" if fits.get("qlora") == "tight" else "fits"
    reasons = [f"{METHODS[wanted].label} {how} this GPU; over a 4-bit base it {then}.", *reasons]
    return (wanted, 4, reasons) if wanted in _SMALLEST_ADAPTERS else ("qlora", None, reasons)


def _wanted(base: BaseModelFacts, rows: int, fits: Mapping[str, Fit], goal: Goal) -> tuple[str, list[str]]:
    """What would be taken if memory were no question."""
    size = base.parameters or 0
    if goal == "many_tasks" and size >= _PROMPT_TUNING_PARAMETERS:
        return "prompt_tuning", ["many tasks share one base, and on one of this size a learned prompt comes near LoRA."]
    if goal == "many_tasks":
        return "ia3", ["many tasks share one base; its adapters are the smallest that work on a base of this size."]
    if rows < _FEW_ROWS:
        return "ia3", [f"{rows:,} rows are few: it has the fewest numbers to learn them by heart."]
    if goal == "knowledge" and rows >= _MORE_THAN_LORA_HOLDS and fits.get("full") == "fits":
        return "full", [f"{rows:,} rows of new knowledge are more than an adapter holds, and all weights fit."]
    if goal == "quality" and rows < _SOME_ROWS:
        return "dora", ["at a low rank it is often a little better than LoRA, for about a quarter more time."]
    return "lora", [_rows_words(rows)]


def _rows_words(rows: int) -> str:
    if rows < _SOME_ROWS:
        return f"the usual choice; {rows:,} rows ask for a small rank and little training."
    if rows < _MORE_THAN_LORA_HOLDS:
        return f"the usual choice for {rows:,} rows: near full training for about 1 % of the weights."
    return f"{rows:,} rows fill a wide rank; full training gains little over it."


def _name(kind: str, settings: Mapping[str, Any]) -> str:
    rank = settings.get("method.rank")
    if "method.base_bits" in settings:
        return f"{METHODS[kind].label} over a {settings['method.base_bits']}-bit base"
    return f"{METHODS[kind].label}, rank {rank}" if rank else METHODS[kind].label


def _learning_rate(kind: str, parameters: int | None) -> float | None:
    if parameters is None:
        return None
    if parameters < _TOY_PARAMETERS:
        return 3e-3
    return METHODS[kind].default_learning_rate / 2 if parameters > _LARGE_PARAMETERS else None


def _by_rows(steps: Sequence[tuple[int, Any]], rows: int, otherwise: Any) -> Any:
    return next((value for below, value in steps if rows < below), otherwise)


def _smaller_sentence(base: BaseModelFacts, smaller: BaseModelFacts | None) -> str:
    """Compute grows with the parameters, so their ratio is about that of the prices."""
    if smaller is None or not smaller.parameters or not base.parameters:
        return ""
    times = base.parameters / smaller.parameters
    rounded = f"{times:.0f}" if times >= 2 else f"{times:.1f}"
    return f"Try {smaller.label} first: {base.label} costs about {rounded} times as much."


def _base_or_instruct(base: BaseModelFacts, rows: int, is_plain_text: bool) -> str:
    if is_plain_text and base.chat:
        return (
            "Your rows are plain text, and this model is tuned for chat: reading them makes it forget some of that. "
            "A base model without chat tuning is the usual start."
        )
    if not base.chat and not is_plain_text and rows < 1_000:
        return (
            f"This is a base model without chat tuning. {rows:,} rows hardly teach it to answer; its instruct version "
            "already does."
        )
    return ""


def _fix(
    kind: str, settings: Mapping[str, Any], fits: Mapping[str, Fit], current: Mapping[str, Any] | None
) -> Fix | None:
    if current is None or all(current.get(name) == value for name, value in settings.items()):
        return None
    return Fix(
        key="advice",
        label=f"Use {_name(kind, settings)}",
        gives=f"Sets the method, its learning rate and {settings['hyperparameters.epochs']:g} passes.",
        changes=settings,
        memory_bytes=None,
        fits=fits.get("qlora" if "method.base_bits" in settings else kind) != "does_not_fit",
    )


def _smaller_fix(smaller: BaseModelFacts | None) -> Fix | None:
    if smaller is None:
        return None
    return Fix(
        key="smallest_first",
        label=f"Use {smaller.label}",
        gives="A first result for little; what it cannot do, a larger one is trained for later.",
        changes={"base_model.id": smaller.id, "base_model.revision": None},
        memory_bytes=None,
        fits=True,
    )
