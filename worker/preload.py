"""Imports the training stack once, in the forkserver, so that every trainer starts warm. Never touches CUDA:
a CUDA context does not survive a fork."""

import bitsandbytes
import datasets
import peft
import torch
import transformers
import trl
from peft import get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM, Qwen3ForCausalLM
from transformers.conversion_mapping import get_checkpoint_conversion_mapping
from trl import SFTConfig, SFTTrainer

import worker.train

# Compiles some 2,900 patterns on its first call, which would cost each trainer 0.07 s.
get_checkpoint_conversion_mapping("llama")
assert not torch.cuda.is_initialized()

__all__ = [
    "AutoModelForCausalLM",
    "AutoTokenizer",
    "LlamaForCausalLM",
    "Qwen3ForCausalLM",
    "SFTConfig",
    "SFTTrainer",
    "bitsandbytes",
    "datasets",
    "get_peft_model",
    "peft",
    "torch",
    "transformers",
    "trl",
    "worker",
]
