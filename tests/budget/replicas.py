"""Small models of each architecture, made on the meta device or a CPU, with the adapter that peft puts on."""

import warnings
from typing import Any

import torch
import transformers.masking_utils
from peft import get_peft_config, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM

from studio.base_models import ARCHITECTURES, BaseModelFacts
from studio.methods import Method

SIZES: dict[str, Any] = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "intermediate_size": 96,
    "vocab_size": 128,
    "max_position_embeddings": 512,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


def replica(model_type: str, method: Method, *, device: str, dtype: torch.dtype, **sizes: Any) -> Any:
    """A model in training, wrapped as `worker/model.py` does it: frozen weights in `dtype`, trained ones in float32."""
    config = AutoConfig.for_model(model_type, **SIZES | sizes)
    facts = BaseModelFacts(id=model_type, label=model_type, family="", model_type=model_type)
    plain = method.peft(facts)
    with torch.device(device), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = AutoModelForCausalLM.from_config(
            config,
            attn_implementation=ARCHITECTURES[model_type].kernel,
            dtype=torch.float32 if plain is None else dtype,
        )
        model.config.use_cache = False
        if plain is not None:
            model = get_peft_model(model, get_peft_config(plain))
    return model.train()


def look_for_no_packing(monkeypatch: Any) -> None:
    """transformers reads positions to find packed rows, which have no values on the meta device."""
    monkeypatch.setattr(transformers.masking_utils, "find_packed_sequence_indices", lambda position_ids: None)
