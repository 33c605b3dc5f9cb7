"""Loads the base model as the method asks for it and puts the adapter on; knows no method by name."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from bitsandbytes.nn import Linear8bitLt
from peft import PeftModel, get_peft_config, get_peft_model, get_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils.other import transpose
from safetensors import SafetensorError
from torch import nn
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, PreTrainedTokenizerBase

from studio.base_models import ARCHITECTURES, BaseModelFacts, check_weight_files, read_config
from studio.errors import InvalidInput
from studio.runs import RunSpec
from worker.hardware import Hardware
from worker.tokens_load import load_tokenizer

Weights = dict[str, torch.Tensor]

# What transformers, tokenizers and safetensors raise for a folder that is damaged or does not fit.
_LOADING_ERRORS = (OSError, ValueError, KeyError, RuntimeError, SafetensorError)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model ready to train, its tokenizer, and what `config.json` says."""

    model: nn.Module
    tokenizer: PreTrainedTokenizerBase
    config: dict[str, Any]
    virtual_tokens: int

    @property
    def trained_parameters(self) -> int:
        """How many numbers the optimizer changes."""
        return sum(parameter.numel() for parameter in trained(self.model).values())

    @property
    def total_parameters(self) -> int:
        """How many numbers the model holds; packed 4-bit weights are counted before packing."""
        return sum(_count(parameter) for parameter in self.model.parameters())


def load_model(folder: Path, spec: RunSpec, hardware: Hardware, start: Weights | None = None) -> Loaded:
    """Load tokenizer and base, and wrap it with the method's adapter; raises InvalidInput with the reason.

    `start` is what `copy_start` gave when the run began: then the base is changed by it and not by a new start.
    """
    config = read_config(folder)
    check_weight_files(folder)
    tokenizer = load_tokenizer(folder)
    base = load_base(folder, spec, hardware, ARCHITECTURES[config["model_type"]].kernel)
    base.config.use_cache = False
    facts = BaseModelFacts(id=spec.base_model.id, label=spec.base_model.id, family="", model_type=config["model_type"])
    plain = spec.method.peft(facts)
    if plain is None:
        base.requires_grad_(True)
        return Loaded(base, tokenizer, config, virtual_tokens=0)
    if start is None:
        model = add_adapter(base, plain, folder)
    else:
        model = add_adapter(base, {**plain, "init_lora_weights": True}, folder)
        repeat_start(model, start, plain["init_lora_weights"])
    return Loaded(model, tokenizer, config, virtual_tokens=plain.get("num_virtual_tokens", 0))


def load_base(folder: Path, spec: RunSpec, hardware: Hardware, kernel: str) -> Any:
    """Load the weights: frozen ones in the compute format, trained ones in float32 unless bfloat16 is asked for.

    An update of 1e-5 is lost in bfloat16, which has 8 bits of mantissa, so whole models train on float32 masters.
    """
    frozen = spec.method.artifact == "adapter"
    all_bfloat16 = spec.hyperparameters.precision == "bfloat16"
    dtype = hardware.compute if frozen or all_bfloat16 else torch.float32
    try:
        base = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            quantization_config=quantization_config(spec, hardware),
            device_map={"": 0} if hardware.on_gpu else None,
            attn_implementation=kernel,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
        )
    except torch.OutOfMemoryError:
        raise
    except _LOADING_ERRORS as error:
        raise InvalidInput(f"The base model could not be loaded: {_first_line(error)}") from error
    keep_trainable(base)
    return base


def keep_trainable(base: nn.Module) -> None:
    """Keep a quantized base fit for training on a CPU, where two things break it.

    On CPUs with AVX512-BF16 bitsandbytes repacks 4-bit weights at the first evaluation and for good, in a layout
    that only an inference kernel without a gradient reads: training would go on and learn next to nothing.
    And when peft dequantizes 8-bit weights (DoRA needs their norms) it makes them anew without their scales.
    """
    for module in base.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
        if isinstance(module, Linear8bitLt):
            module.register_forward_pre_hook(_restore_scales)


def _restore_scales(module: Linear8bitLt, arguments: tuple[Any, ...]) -> None:
    if module.weight.CB is not None and module.weight.SCB is None:
        module.weight.SCB = module.state.SCB


def quantization_config(spec: RunSpec, hardware: Hardware) -> BitsAndBytesConfig | None:
    """The method's quantization with `auto` settled by the hardware."""
    plain = spec.method.quantization()
    if plain is None:
        return None
    if plain.get("bnb_4bit_compute_dtype") == "auto":
        plain = {**plain, "bnb_4bit_compute_dtype": hardware.compute}
    return BitsAndBytesConfig(**plain)


def add_adapter(base: Any, plain: dict[str, Any], folder: Path) -> PeftModel:
    """Wrap the base; raises InvalidInput when the settings do not fit it (an unknown layer, say)."""
    if "prompt_tuning_init_text" in plain:
        plain = {**plain, "tokenizer_name_or_path": str(folder)}
    try:
        return get_peft_model(base, get_peft_config(plain))
    except torch.OutOfMemoryError:
        raise
    except (ValueError, RuntimeError) as error:
        raise InvalidInput(f"The method does not fit this base model: {_first_line(error)}") from error


def trained(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that the optimizer changes, by name; tied ones once."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def changes_base(model: nn.Module) -> bool:
    """Whether the adapter's start took something out of the base weights (as PiSSA does).

    Such an adapter fits only the changed base, so its export must be converted to fit the published one.
    """
    configs = getattr(model, "peft_config", {}).values()
    return any(isinstance(getattr(config, "init_lora_weights", True), str) for config in configs)


def copy_start(model: Any) -> Weights | None:
    """Copy the start of an adapter that changed the base, which resume and export need; None for all others."""
    if not changes_base(model):
        return None
    start = get_peft_model_state_dict(model, save_embedding_layers=False)
    return {name: tensor.detach().cpu().clone() for name, tensor in start.items()}


def repeat_start(model: Any, start: Weights, initialisation: str) -> None:
    """Take a known start out of the base weights in peft's own arithmetic: W - s B0 A0, in float32.

    A start is the outcome of a singular value decomposition, whose bits (and signs) differ between machines and even
    with the number of threads; so a resumed run does not decompose again.
    """
    for name, layer in model.named_modules():
        if isinstance(layer, LoraLayer):
            before = layer.lora_A["default"].weight
            a, b = (start[f"{name}.lora_{side}.weight"].to(before.device) for side in "AB")
            base = layer.get_base_layer().weight
            exact = transpose(base.data.to(torch.float32), layer.fan_in_fan_out)
            changed = exact - layer.scaling["default"] * b.float() @ a.float()
            base.data = transpose(changed.to(base.dtype), layer.fan_in_fan_out)
            before.data.copy_(a)
            layer.lora_B["default"].weight.data.copy_(b)
    model.peft_config["default"].init_lora_weights = initialisation


def adapts_head(model: nn.Module) -> bool:
    """Whether an adapter sits on the output head, which TRL's own loss would pass by."""
    return isinstance(model.get_output_embeddings(), BaseTunerLayer)  # type: ignore[operator]


def _count(parameter: nn.Parameter) -> int:
    state = getattr(parameter, "quant_state", None)
    return int(torch.Size(state.shape).numel()) if state is not None else parameter.numel()


def _first_line(error: BaseException) -> str:
    """The first sentence of a library's message; KeyError gives only the name of what is missing."""
    text = str(error).strip().splitlines()
    return text[0] if text else type(error).__name__
