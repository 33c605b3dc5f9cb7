"""Prompt tuning."""

from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from studio.base_models import BaseModelFacts
from studio.methods.base import OverAnyBase


class PromptTuning(OverAnyBase):
    """Learns the embeddings of a few tokens put before every input; the model itself stays as it is."""

    kind: Literal["prompt_tuning"] = "prompt_tuning"
    virtual_tokens: int = Field(
        20,
        ge=1,
        le=512,
        description="Learned tokens before each input, taken from the context: 20 is usual, 8 to 100.",
    )
    initialisation: Literal["random", "text"] = Field(
        "random",
        description="Start from random embeddings, or from those of a text you write (often faster).",
    )
    initial_text: str = Field(
        "",
        max_length=2000,
        description="For text initialisation: a sentence that states the task, about 20 tokens long.",
    )

    label: ClassVar[str] = "Prompt tuning"
    hint: ClassVar[str] = "A learned prompt of a few KB; cheap to serve many tasks from one base, weak on hard ones."
    paper: ClassVar[str] = "https://arxiv.org/abs/2104.08691"
    default_learning_rate: ClassVar[float] = 1e-2
    mergeable: ClassVar[bool] = False

    @model_validator(mode="after")
    def _text_is_given(self) -> "PromptTuning":
        if self.initialisation == "text" and not self.initial_text.strip():
            raise ValueError("text initialisation needs a text: write one sentence that states the task")
        return self

    def peft(self, base_model: BaseModelFacts) -> dict[str, Any] | None:
        """A `PromptTuningConfig`; the trainer adds the tokenizer when the start is a text."""
        text = {"prompt_tuning_init_text": self.initial_text} if self.initialisation == "text" else {}
        return {
            "peft_type": "PROMPT_TUNING",
            "task_type": "CAUSAL_LM",
            "num_virtual_tokens": self.virtual_tokens,
            "prompt_tuning_init": self.initialisation.upper(),
            **text,
        }
