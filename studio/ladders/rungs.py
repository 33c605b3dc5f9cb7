"""Which rungs a ladder can have, and the run spec that each of them makes of the one a person wrote. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from studio.errors import InvalidInput
from studio.methods import METHODS, LowRank, MethodBase
from studio.runs.spec import RunSpec

RUNGS_FIELD = "rungs"
_ADAPTERS = ("prompt_tuning", "ia3")


@dataclass(frozen=True, slots=True)
class RungChoice:
    """A rung on offer; without a rank it is a method with its usual settings."""

    key: str
    label: str
    kind: str
    rank: int | None = None
    is_usual: bool = True


# From the smallest to the largest number of trained weights; the widest updates rarely earn their price.
CHOICES: tuple[RungChoice, ...] = (
    RungChoice("prompt_tuning", "Prompt tuning", "prompt_tuning"),
    RungChoice("ia3", "IA3", "ia3", is_usual=False),
    RungChoice("rank_8", "LoRA, rank 8", "lora", 8),
    RungChoice("rank_16", "LoRA, rank 16", "lora", 16),
    RungChoice("rank_64", "LoRA, rank 64", "lora", 64, is_usual=False),
)


def usual_rungs() -> tuple[str, ...]:
    """The keys of the rungs that a ladder has unless others are asked for."""
    return tuple(choice.key for choice in CHOICES if choice.is_usual)


def specs_of(spec: RunSpec, keys: Sequence[str]) -> list[RunSpec]:
    """A spec for each rung, the smallest first; what the person chose is the top one when it is larger than the rest.

    A low-rank method stays what it is (QLoRA, DoRA) and changes its rank; over others the rungs are LoRA. Raises
    InvalidInput for rungs that are not on offer, and for fewer than two.
    """
    offered = [choice.key for choice in CHOICES]
    if unknown := {f"{RUNGS_FIELD}.{place}": key for place, key in enumerate(keys) if key not in offered}:
        sentences = {
            field: f"There is no rung {key[:40]!r}. Choose of: {', '.join(offered)}." for field, key in unknown.items()
        }
        raise InvalidInput(next(iter(sentences.values())), fields=sentences)
    made = [_spec_of(spec, choice) for choice in CHOICES if choice.key in keys]
    if made and _size(spec) > _size(made[-1]):
        made.append(spec)
    if len(made) < 2:
        sentence = "A ladder has at least two rungs: choose another one."
        raise InvalidInput(sentence, fields={RUNGS_FIELD: sentence})
    return made


def rung_label(spec: RunSpec) -> str:
    """A rung as a person reads it: `LoRA, rank 8`."""
    rank = getattr(spec.method, "rank", None)
    return f"{spec.method.label}, rank {rank}" if rank else spec.method.label


def _spec_of(spec: RunSpec, choice: RungChoice) -> RunSpec:
    method = _method_of(spec.method, choice)
    plain = spec.model_dump(mode="json")
    plain["method"] = method.model_dump(mode="json")
    if not _is_akin(method, spec.method):
        # The rate of one family is far off for another: each begins with its own.
        plain["hyperparameters"]["learning_rate"] = None
    return RunSpec.model_validate(plain)


def _method_of(own: MethodBase, choice: RungChoice) -> MethodBase:
    if choice.rank is not None and isinstance(own, LowRank):
        alpha = max(1, min(2048, round(own.alpha / own.rank * choice.rank)))
        return type(own).model_validate(own.model_dump() | {"rank": choice.rank, "alpha": alpha})
    if choice.rank is None and getattr(own, "kind", "") == choice.kind:
        return own
    settings: dict[str, Any] = {"base_bits": getattr(own, "base_bits", 16)}
    if choice.rank is not None:
        settings |= {"rank": choice.rank, "alpha": 2 * choice.rank}
    return METHODS[choice.kind].model_validate(settings)


def _is_akin(one: MethodBase, other: MethodBase) -> bool:
    return type(one) is type(other) or (isinstance(one, LowRank) and isinstance(other, LowRank))


def _size(spec: RunSpec) -> float:
    """An order by trained weights, not their number."""
    if spec.method.kind in _ADAPTERS:
        return 0
    return getattr(spec.method, "rank", float("inf"))
