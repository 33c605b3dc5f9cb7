"""Turns canonical rows into token ids and labels, once, before training; -100 marks what is not learned."""

import logging
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerBase

from studio.errors import InvalidInput, StudioError
from studio.runs import RunSpec
from studio.runs.mixing import train_counts, validation_counts
from worker.assignment import Assignment
from worker.rows import NumberedRow, Source, sources
from worker.tokens import CachedRows, TokenCache, tokens_key
from worker.tokens_encode import EncodedRow, RowEncoder, answer_stretches, conversation
from worker.tokens_fill import fill
from worker.tokens_quick import Unsure

log = logging.getLogger(__name__)

IGNORED = -100
# Rather tokenise a few rows more than do so again for the next run.
_FILL_SHARE = 0.75


@dataclass(slots=True)
class TokenRow:
    """One row as the model sees it; `input_ids` and `labels` are (T,), lists or arrays of 32-bit integers."""

    number: int
    input_ids: Sequence[int]
    labels: Sequence[int]


@dataclass(frozen=True, slots=True)
class SamplePrompt:
    """A held-out prompt, what its row answers, and the ids to generate from."""

    row_number: int
    prompt: str
    expected: str
    input_ids: list[int]


@dataclass(slots=True)
class Tokenised:
    """The rows of a split that can be used, and how many were cut or dropped."""

    rows: list[TokenRow] = field(default_factory=list)
    cut: int = 0
    dropped: int = 0
    only_last_answer: int = 0

    def add(self, other: "Tokenised") -> None:
        """Take the rows of another dataset in."""
        self.rows += other.rows
        self.cut += other.cut
        self.dropped += other.dropped
        self.only_last_answer += other.only_last_answer

    @property
    def trained_tokens(self) -> int:
        """Tokens that the loss counts."""
        return sum(int(np.count_nonzero(np.asarray(row.labels) != IGNORED)) for row in self.rows)


@dataclass(frozen=True, slots=True)
class Prepared:
    """All data of a run."""

    train: Tokenised
    validation: Tokenised
    samples: list[SamplePrompt]
    template: str


def prepare_data(assignment: Assignment, tokenizer: PreTrainedTokenizerBase, max_length: int) -> Prepared:
    """Read and tokenise the rows of a run; raises InvalidInput when nothing is left to learn."""
    spec = assignment.spec
    reader = RowTokenizer(tokenizer, spec, max_length)
    taught, held_out = Tokenised(), Tokenised()
    counts = zip(train_counts(spec, assignment.row_count), validation_counts(spec, assignment.row_count), strict=True)
    found = sources(assignment)
    held_places: Sequence[int] = ()
    for source, (train_rows, validation_rows) in zip(found, counts, strict=True):
        train = source.choose_places("train", train_rows, seed=spec.hyperparameters.seed)
        held = source.choose_places("validation", validation_rows, seed=spec.hyperparameters.seed)
        encoded = _reader(assignment, reader.encoder, source, len(train) + len(held))
        taught.add(reader.cut(encoded(train)))
        held_out.add(reader.cut(encoded(held)))
        held_places = held_places or held
    if not taught.rows:
        raise InvalidInput(
            f"No row has an answer within its first {max_length} tokens, so there is nothing to learn. "
            "Raise the longest row, or shorten the prompts."
        )
    return Prepared(
        train=taught,
        validation=held_out,
        samples=reader.sample_prompts(held_places, lambda place: next(found[0].read([place]))),
        template=("the base model's" if reader.encoder.chat.had_template else "a plain one of the studio"),
    )


def _reader(
    assignment: Assignment, encoder: RowEncoder, source: Source, wanted: int
) -> Callable[[Sequence[int]], Iterable[EncodedRow]]:
    """What encodes the rows at given places of a dataset, from the cache where they are in it."""
    cached = _cached(assignment, encoder, source, wanted)
    if cached is None:
        return lambda places: encode_all(encoder, list(source.read(places)))
    if not source.before:
        return cached.rows
    return lambda places: (replace(row, number=source.before + row.number) for row in cached.rows(places))


def _cached(assignment: Assignment, encoder: RowEncoder, source: Source, wanted: int) -> CachedRows | None:
    """The tokenised rows that are shared with the checks of datasets; made if most of them are needed anyway."""
    if assignment.token_cache is None:
        return None
    cache = TokenCache(assignment.token_cache)
    key = tokens_key(source.sha256, encoder.tokenizer, assignment.base_model_folder, assignment.spec.data.train_on)
    found = cache.open(key)
    if found is None and wanted >= _FILL_SHARE * source.row_count:
        try:
            found = fill(cache, key, encoder, source.rows_path)
        except (OSError, StudioError) as error:
            log.warning("The tokenised rows are not kept: %s", error)
    return found if found is not None and found.row_count == source.row_count else None


def encode_all(encoder: RowEncoder, rows: Sequence[NumberedRow]) -> list[EncodedRow]:
    """Encode rows that are at hand."""
    try:
        return list(encoder.encode(rows))
    except Unsure:
        return list(encoder.slow().encode(rows))


class RowTokenizer:
    """Cuts encoded rows at the longest length, and chooses prompts to answer."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, spec: RunSpec, max_length: int) -> None:
        self.encoder = RowEncoder(tokenizer, spec.data.train_on)
        self._spec = spec
        self._max_length = max_length

    def tokenise(self, numbered: Sequence[NumberedRow]) -> Tokenised:
        """Encode rows and cut them."""
        return self.cut(encode_all(self.encoder, numbered))

    def cut(self, rows: Iterable[EncodedRow]) -> Tokenised:
        """Cut at the longest length, drop rows that teach nothing; raises InvalidInput for one that has a problem."""
        result = Tokenised()
        for row in rows:
            if row.problem:
                raise InvalidInput(row.problem)
            result.only_last_answer += row.only_last
            result.cut += row.length > self._max_length
            length = min(row.length, self._max_length)
            # The first token is predicted from nothing, so a label there teaches nothing.
            if any(begin < length and end > 1 for begin, end in answer_stretches(row.answers)):
                result.rows.append(_token_row(row, length))
            else:
                result.dropped += 1
        return result

    def sample_prompts(self, places: Sequence[int], read: Callable[[int], NumberedRow]) -> list[SamplePrompt]:
        """Choose held-out prompts to answer; which ones depends only on the seed."""
        order = list(places)
        random.Random(self._spec.hyperparameters.seed).shuffle(order)  # noqa: S311 - not a secret
        samples: list[SamplePrompt] = []
        for place in order:
            if len(samples) == self._spec.evaluation.sample_prompts:
                break
            sample = self._sample(read(place))
            if sample and len(sample.input_ids) <= self._max_length:
                samples.append(sample)
        return samples

    def _sample(self, numbered: NumberedRow) -> SamplePrompt | None:
        row = numbered.row
        if "text" in row:
            return None
        messages = conversation(row)
        if not messages:
            ids = self.encoder.bos + self.encoder.ids(row["prompt"])
            return SamplePrompt(numbered.number, row["prompt"], row["completion"], ids)
        last = max(index for index, message in enumerate(messages) if message["role"] == "assistant")
        if last == 0:
            return None
        rendered = self.encoder.chat.render_prompt(numbered.number, messages[:last], row.get("tools"))
        ids = self.encoder.prompt_ids(rendered)
        return SamplePrompt(numbered.number, _shown(messages[:last]), messages[last].get("content") or "", ids)


def _token_row(row: EncodedRow, length: int) -> TokenRow:
    ids = row.ids[:length]
    labels = np.full(length, IGNORED, np.int32)
    for begin, end in answer_stretches(row.answers):
        labels[begin:end] = ids[begin:end]
    return TokenRow(row.number, ids, labels)


def _shown(messages: Sequence[dict[str, Any]]) -> str:
    """The prompt as people read it: the question alone, or every turn with its role."""
    turns = [message for message in messages if message["role"] != "system"]
    if len(turns) == 1:
        return str(turns[0].get("content") or "")
    return "\n".join(f"{turn['role']}: {turn.get('content') or ''}" for turn in turns)
