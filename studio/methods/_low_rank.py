"""The low-rank family: LoRA and what differs from it by an option."""

import re
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from studio.base_models import ARCHITECTURES, BaseModelFacts
from studio.methods.base import OverAnyBase

_LAYER_NAME = re.compile(r"^[A-Za-z0-9_.]{1,64}$")


class LowRank(OverAnyBase):
    """W + (alpha / rank) B A with B (out, R) and A (R, in)."""

    rank: int = Field(16, ge=1, le=512, description="Width R of the update: 8 is small, 16 usual, 64 large.")
    alpha: int = Field(
        32, ge=1, le=2048, description="Scale of the update, as alpha / rank; twice the rank (32) is usual."
    )
    dropout: float = Field(0.05, ge=0, lt=1, description="Share of inputs dropped while training; 0.05 is usual.")
    targets: str = Field(
        "all-linear",
        title="Target layers",
        description='"all-linear" (usual), "attention", or layer names such as q_proj, v_proj.',
        json_schema_extra={"advanced": True, "suggestions": ["all-linear", "attention"]},
    )
    rslora: bool = Field(
        False,
        title="Rank-stabilised (rsLoRA)",
        description="Scales by alpha / sqrt(rank); helps from rank 64 up.",
        json_schema_extra={"advanced": True},
    )
    initialisation: Literal["default", "pissa"] = Field(
        "default",
        description="PiSSA starts from the 16 strongest directions (the rank) of each weight; needs a 16-bit base.",
        json_schema_extra={"advanced": True},
    )

    @field_validator("targets")
    @classmethod
    def _names_layers(cls, value: str) -> str:
        names = [name.strip() for name in value.split(",")]
        if not all(_LAYER_NAME.fullmatch(name) for name in names if name not in {"all-linear"}):
            raise ValueError('write "all-linear", "attention", or layer names with commas: q_proj, v_proj')
        return ", ".join(names)

    @model_validator(mode="after")
    def _pissa_needs_exact_weights(self) -> "LowRank":
        if self.initialisation == "pissa" and self.base_bits != 16:
            raise ValueError("PiSSA needs the exact weights: choose a 16-bit base, or the default initialisation")
        return self

    def peft(self, base_model: BaseModelFacts) -> dict[str, Any] | None:
        """A `LoraConfig`."""
        return {
            "peft_type": "LORA",
            "task_type": "CAUSAL_LM",
            "r": self.rank,
            "lora_alpha": self.alpha,
            "lora_dropout": self.dropout,
            "target_modules": self._target_modules(base_model),
            "use_rslora": self.rslora,
            "init_lora_weights": "pissa" if self.initialisation == "pissa" else True,
            "bias": "none",
        }

    def _target_modules(self, base_model: BaseModelFacts) -> str | list[str]:
        if self.targets == "all-linear":
            return "all-linear"
        if self.targets == "attention":
            return list(ARCHITECTURES[base_model.model_type].attention)
        return [name.strip() for name in self.targets.split(",")]
