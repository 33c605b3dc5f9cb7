"""QLoRA."""

from typing import ClassVar, Literal

from pydantic import Field

from studio.methods._low_rank import LowRank


class QLoRA(LowRank):
    """LoRA over a base held in 4-bit NF4 with double quantization."""

    kind: Literal["qlora"] = "qlora"
    base_bits: Literal[16, 8, 4] = Field(
        4,
        title="Base precision",
        description="Bits per frozen weight: 4 is what makes it QLoRA; 8 is more exact.",
    )

    label: ClassVar[str] = "QLoRA"
    hint: ClassVar[str] = "LoRA over a 4-bit base: a quarter of the memory, so that a larger model fits your GPU."
    paper: ClassVar[str] = "https://arxiv.org/abs/2305.14314"
    default_learning_rate: ClassVar[float] = 2e-4
