"""Full fine-tuning."""

from typing import Any, ClassVar, Literal

from studio.base_models import BaseModelFacts
from studio.methods.base import MethodBase


class Full(MethodBase):
    """Trains every weight of the base model."""

    kind: Literal["full"] = "full"

    label: ClassVar[str] = "Full"
    hint: ClassVar[str] = "Changes all weights: the most capacity and the most memory; the result is a whole model."
    paper: ClassVar[str] = "https://arxiv.org/abs/1801.06146"
    default_learning_rate: ClassVar[float] = 1e-5
    artifact: ClassVar[Literal["adapter", "model"]] = "model"

    def peft(self, base_model: BaseModelFacts) -> dict[str, Any] | None:
        """No adapter."""
        return None
