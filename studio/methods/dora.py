"""DoRA."""

from typing import Any, ClassVar, Literal

from pydantic import model_validator

from studio.base_models import BaseModelFacts
from studio.methods._low_rank import LowRank


class DoRA(LowRank):
    """Splits each weight into magnitude and direction; LoRA trains the direction, a vector the magnitude."""

    kind: Literal["dora"] = "dora"

    label: ClassVar[str] = "DoRA"
    hint: ClassVar[str] = "Often a little better than LoRA at low rank; a quarter slower a step, more with dropout."
    paper: ClassVar[str] = "https://arxiv.org/abs/2402.09353"
    default_learning_rate: ClassVar[float] = 2e-4

    @model_validator(mode="after")
    def _default_start_only(self) -> "DoRA":
        if self.initialisation != "default":
            raise ValueError("PiSSA and DoRA cannot be combined: choose one of the two")
        return self

    def peft(self, base_model: BaseModelFacts) -> dict[str, Any] | None:
        """A `LoraConfig` with `use_dora`."""
        return {**(super().peft(base_model) or {}), "use_dora": True}
