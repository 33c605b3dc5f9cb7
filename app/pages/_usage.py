"""How an adapter is loaded and served; the limits are those of each server's own documentation."""

from studio.adapters import Adapter
from studio.base_models import DEMO_ID
from studio.methods import MethodBase

# vLLM's max_lora_rank takes only these (vllm/config/lora.py); its default is 16.
_VLLM_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
_VLLM_DEFAULT_RANK = 16


def loading_snippet(adapter: Adapter) -> str:
    """Python that loads the unpacked archive with plain transformers and peft."""
    if adapter.kind == "model":
        return (
            "from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
            'model = AutoModelForCausalLM.from_pretrained("model")\n'
            'tokenizer = AutoTokenizer.from_pretrained("model")'
        )
    base = "demo-base-model" if adapter.base_model == DEMO_ID else adapter.base_model.removeprefix("folder:")
    revision = f', revision="{adapter.base_revision}"' if adapter.base_revision else ""
    return (
        "from peft import PeftModel\n"
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
        f'base = AutoModelForCausalLM.from_pretrained("{base}"{revision})\n'
        'model = PeftModel.from_pretrained(base, "adapter")\n'
        'tokenizer = AutoTokenizer.from_pretrained("adapter")'
    )


def usage_sentences(adapter: Adapter, method: MethodBase) -> list[str]:
    """Where it can be served, and where it cannot."""
    if adapter.kind == "model":
        return ["This is a whole model: any server that takes a Hugging Face folder can serve it."]
    return [*_vllm(method), *_llama_cpp(method), *_merging(method)]


def _vllm(method: MethodBase) -> list[str]:
    rank = getattr(method, "rank", None)
    if rank is None:
        return [f"vLLM serves LoRA only, so it cannot serve {method.label}; transformers with PEFT can."]
    if method.kind == "dora":  # type: ignore[attr-defined]
        return ["vLLM cannot serve DoRA; merge it into the base model, or use transformers with PEFT."]
    needed = next((known for known in _VLLM_RANKS if known >= rank), None)
    if needed is None:
        return [f"vLLM serves ranks up to {_VLLM_RANKS[-1]}; this one has {rank}."]
    if needed > _VLLM_DEFAULT_RANK:
        return [f"vLLM: start it with --enable-lora --max-lora-rank {needed}; its default is {_VLLM_DEFAULT_RANK}."]
    return ["vLLM: start it with --enable-lora; the rank is within its default."]


def _llama_cpp(method: MethodBase) -> list[str]:
    if getattr(method, "rank", None) is None or method.kind == "dora":  # type: ignore[attr-defined]
        return []
    return ["llama.cpp and Ollama: convert it with convert_lora_to_gguf.py; only the base's config is needed for that."]


def _merging(method: MethodBase) -> list[str]:
    if not method.mergeable:
        return ["It cannot be merged into the weights: it is a learned prompt."]
    if getattr(method, "base_bits", 16) == 16:
        return ["It can be merged into the base model with merge_and_unload()."]
    return ["To merge it, load the base in 16 bits: merging into a quantized base loses precision."]
