"""LoRA."""

from typing import ClassVar, Literal

from studio.methods._low_rank import LowRank


class LoRA(LowRank):
    """Trains a low-rank update beside each frozen linear layer."""

    kind: Literal["lora"] = "lora"

    label: ClassVar[str] = "LoRA"
    hint: ClassVar[str] = "The usual choice: near the quality of full training for about 1 % of the weights."
    paper: ClassVar[str] = "https://arxiv.org/abs/2106.09685"
    default_learning_rate: ClassVar[float] = 2e-4
