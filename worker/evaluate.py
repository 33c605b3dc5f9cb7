"""Measures a model while it trains: token-weighted validation loss, and answers to a few held-out prompts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase, StoppingCriteria, StoppingCriteriaList
from trl.trainer.utils import pad

from studio.runs.events import Answer
from worker.data import SamplePrompt, TokenRow
from worker.hardware import any_algorithms
from worker.losses import IGNORED, TokenLosses

Batch = dict[str, torch.Tensor]
LossFunction = Callable[[Any, Batch], TokenLosses]


@dataclass(frozen=True, slots=True)
class Validation:
    """What the validation rows say: nats per learned token, and the share of tokens ranked first."""

    loss: float
    accuracy: float
    tokens: int


def validation_batches(rows: Sequence[TokenRow], pad_id: int, batch_size: int) -> list[Batch]:
    """Right-padded batches in order of length, which keeps padding to a minimum; made once for a run."""
    ordered = sorted(rows, key=lambda row: (len(row.input_ids), row.number))
    groups = [ordered[start : start + batch_size] for start in range(0, len(ordered), batch_size)]
    return [_collate(group, pad_id) for group in groups]


def validate(
    model: Any, batches: Sequence[Batch], losses: LossFunction, between: Callable[[], None]
) -> Validation | None:
    """Weigh every learned token alike, however the rows are batched; the model must be in evaluation mode.

    `between` is called after each batch. None when there are no batches.
    """
    if not batches:
        return None
    loss, correct, tokens = 0.0, 0, 0
    device = next(model.parameters()).device
    with torch.no_grad():
        for batch in batches:
            found = losses(model, {name: tensor.to(device) for name, tensor in batch.items()})
            loss += float(found.loss)
            correct += int(found.correct)
            tokens += int(found.tokens)
            between()
    return Validation(loss / tokens, correct / tokens, tokens)


def answer_samples(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    samples: Sequence[SamplePrompt],
    max_new_tokens: int,
    *,
    together: bool,
    between: Callable[[], None],
) -> list[Answer]:
    """Answer the sample prompts greedily, in one batch or (`together` false) one by one.

    `between` is called after each token. With virtual tokens in front, padding would lie between them and the prompt,
    unlike in training.
    """
    groups = [samples] if together else [[sample] for sample in samples]
    told = StoppingCriteriaList([_Between(between)])
    with any_algorithms():
        texts = [text for group in groups if group for text in _generate(model, tokenizer, group, max_new_tokens, told)]
    return [
        Answer(
            position=position,
            row_number=sample.row_number,
            prompt=sample.prompt,
            expected=sample.expected,
            answer=text,
        )
        for position, (sample, text) in enumerate(zip(samples, texts, strict=True))
    ]


class _Between(StoppingCriteria):
    """Calls something after each token, and stops nothing."""

    def __init__(self, between: Callable[[], None]) -> None:
        self._between = between

    def __call__(self, input_ids: torch.Tensor, scores: Any, **keywords: Any) -> torch.Tensor:
        self._between()
        return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)  # (B,)


def _generate(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    samples: Sequence[SamplePrompt],
    max_new_tokens: int,
    told: StoppingCriteriaList,
) -> list[str]:
    device = next(model.parameters()).device
    prompts = [torch.tensor(sample.input_ids) for sample in samples]
    # Padded on the left, so that every answer begins at the same place.
    ids = pad(prompts, padding_value=tokenizer.pad_token_id, padding_side="left").to(device)  # (B, T)
    mask = pad([torch.ones_like(prompt) for prompt in prompts], padding_value=0, padding_side="left").to(device)
    with torch.no_grad():
        generated = model.generate(
            input_ids=ids,
            attention_mask=mask,
            max_new_tokens=max_new_tokens,
            do_sample=False,
            use_cache=True,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=_end_ids(model, tokenizer),
            stopping_criteria=told,
        )
    return list(tokenizer.batch_decode(generated[:, ids.size(1) :], skip_special_tokens=True))


def _end_ids(model: Any, tokenizer: PreTrainedTokenizerBase) -> list[int] | None:
    """Every token that ends an answer: those of the base's generation config and the tokenizer's own."""
    configured = model.generation_config.eos_token_id
    known = configured if isinstance(configured, list) else [configured]
    ends = {token for token in [*known, tokenizer.eos_token_id] if token is not None}
    return sorted(ends) or None


def _collate(rows: Sequence[TokenRow], pad_id: int) -> Batch:
    ids = [torch.tensor(row.input_ids) for row in rows]
    labels = [torch.tensor(row.labels) for row in rows]
    return {
        "input_ids": pad(ids, padding_value=pad_id, padding_side="right"),  # (B, T)
        "labels": pad(labels, padding_value=IGNORED, padding_side="right"),
        "attention_mask": pad([torch.ones_like(row) for row in ids], padding_value=0, padding_side="right"),
    }
