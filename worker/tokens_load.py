"""Loads a base model's tokenizer, without the training stack."""

from pathlib import Path

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from studio.errors import InvalidInput

# What transformers and tokenizers raise for a folder that is damaged or does not fit; the latter a bare Exception.
_LOADING_ERRORS = (OSError, ValueError, KeyError, RuntimeError)


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Load a fast tokenizer; it must have an end of text or a padding token to fill up batches with."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except _LOADING_ERRORS as error:
        line = next(iter(str(error).splitlines()), type(error).__name__)
        raise InvalidInput(f"The base model's tokenizer could not be read: {line}") from error
    if not tokenizer.is_fast:
        raise InvalidInput("The base model has no tokenizer.json; only fast tokenizers are used here.")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if tokenizer.pad_token is None:
        raise InvalidInput("The base model's tokenizer names neither a padding token nor an end of text.")
    return tokenizer
