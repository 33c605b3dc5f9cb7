"""IA3."""

from typing import Any, ClassVar, Literal

from studio.base_models import ARCHITECTURES, BaseModelFacts
from studio.methods.base import OverAnyBase


class IA3(OverAnyBase):
    """Learns one factor per channel of keys, values and the feed-forward output."""

    kind: Literal["ia3"] = "ia3"

    label: ClassVar[str] = "IA3"
    hint: ClassVar[str] = "The smallest adapter (some 10,000 numbers); for light changes of style or format."
    paper: ClassVar[str] = "https://arxiv.org/abs/2205.05638"
    default_learning_rate: ClassVar[float] = 3e-3

    def peft(self, base_model: BaseModelFacts) -> dict[str, Any] | None:
        """An `IA3Config`."""
        architecture = ARCHITECTURES[base_model.model_type]
        return {
            "peft_type": "IA3",
            "task_type": "CAUSAL_LM",
            "target_modules": list(architecture.ia3_targets),
            "feedforward_modules": list(architecture.ia3_feedforward),
        }
