"""What every method is: a frozen description that answers two questions as plain dicts."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from studio.base_models import BaseModelFacts


class MethodBase(BaseModel, ABC):
    """How weights are changed. A method knows no trainer; the trainer knows no method."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: ClassVar[str]
    hint: ClassVar[str]
    paper: ClassVar[str]
    default_learning_rate: ClassVar[float]
    artifact: ClassVar[Literal["adapter", "model"]] = "adapter"
    mergeable: ClassVar[bool] = True

    @abstractmethod
    def peft(self, base_model: BaseModelFacts) -> dict[str, Any] | None:
        """Keyword arguments of the PEFT config with its `peft_type`, or None when all weights train."""

    def quantization(self) -> dict[str, Any] | None:
        """Keyword arguments of `BitsAndBytesConfig`, or None for a 16- or 32-bit base."""
        return None


class OverAnyBase(MethodBase):
    """A method that trains beside a frozen base, which may be held in 16, 8 or 4 bits."""

    base_bits: Literal[16, 8, 4] = Field(
        16,
        title="Base precision",
        description="Bits per frozen weight: 16 is exact, 4 needs about a quarter.",
    )
    quantization_type: Literal["nf4", "fp4"] = Field(
        "nf4",
        title="4-bit format",
        description="NF4 fits normally distributed weights and is usual; FP4 is the alternative.",
        json_schema_extra={"advanced": True},
    )
    double_quantization: bool = Field(
        True,
        description="Quantizes the scales of a 4-bit base too; saves about 0.4 bit a weight.",
        json_schema_extra={"advanced": True},
    )
    compute_dtype: Literal["auto", "bfloat16", "float16", "float32"] = Field(
        "auto",
        description="Arithmetic over a 4-bit base; auto is that of training.",
        json_schema_extra={"advanced": True},
    )

    def quantization(self) -> dict[str, Any] | None:
        """8- or 4-bit settings; a compute dtype of `auto` is settled by the worker's hardware."""
        if self.base_bits == 8:
            return {"load_in_8bit": True}
        if self.base_bits == 4:
            return {
                "load_in_4bit": True,
                "bnb_4bit_quant_type": self.quantization_type,
                "bnb_4bit_use_double_quant": self.double_quantization,
                "bnb_4bit_compute_dtype": self.compute_dtype,
            }
        return None
