"""THE union of methods. To add one: a file, its name here, a paragraph in docs/methods.md."""

from typing import Annotated, get_args

from pydantic import Field

from studio.methods._low_rank import LowRank
from studio.methods.base import MethodBase, OverAnyBase
from studio.methods.dora import DoRA
from studio.methods.full import Full
from studio.methods.ia3 import IA3
from studio.methods.lora import LoRA
from studio.methods.prompt_tuning import PromptTuning
from studio.methods.qlora import QLoRA

Method = Annotated[QLoRA | LoRA | DoRA | IA3 | PromptTuning | Full, Field(discriminator="kind")]

METHODS: dict[str, type[MethodBase]] = {
    member.model_fields["kind"].default: member for member in get_args(get_args(Method)[0])
}

__all__ = [
    "IA3",
    "METHODS",
    "DoRA",
    "Full",
    "LoRA",
    "LowRank",
    "Method",
    "MethodBase",
    "OverAnyBase",
    "PromptTuning",
    "QLoRA",
]
