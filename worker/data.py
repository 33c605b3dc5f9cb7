"""Turns canonical rows into token ids and labels, once, before training; -100 marks what is not learned."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from transformers import PreTrainedTokenizerBase

from studio.errors import InvalidInput
from studio.runs import RunSpec, make_plan
from worker.assignment import Assignment
from worker.chat import Chat, Rendered, adds_bos, split_literals
from worker.rows import NumberedRow, choose_rows

IGNORED = -100


@dataclass(slots=True)
class TokenRow:
    """One row as the model sees it; `input_ids` and `labels` are (T,)."""

    number: int
    input_ids: list[int]
    labels: list[int]


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

    @property
    def trained_tokens(self) -> int:
        """Tokens that the loss counts."""
        return sum(len(row.labels) - row.labels.count(IGNORED) for row in self.rows)


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
    plan = make_plan(spec, assignment.row_count)
    reader = RowTokenizer(tokenizer, spec, max_length)
    train = reader.tokenise(choose_rows(assignment, "train", plan.train_rows))
    held_out = choose_rows(assignment, "validation", plan.validation_rows)
    if not train.rows:
        raise InvalidInput(
            f"No row has an answer within its first {max_length} tokens, so there is nothing to learn. "
            "Raise the longest row, or shorten the prompts."
        )
    return Prepared(
        train=train,
        validation=reader.tokenise(held_out),
        samples=reader.sample_prompts(held_out),
        template=("the base model's" if reader.chat.had_template else "a plain one of the studio"),
    )


class RowTokenizer:
    """Knows the tokenizer, the chat template and what of a row is learned."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, spec: RunSpec, max_length: int) -> None:
        self.chat = Chat(tokenizer)
        self._tokenizer = tokenizer
        self._spec = spec
        self._max_length = max_length
        self._bos = [tokenizer.bos_token_id] if adds_bos(tokenizer) else []
        self._eos = [tokenizer.eos_token_id] if tokenizer.eos_token_id is not None else []
        # A tokenizer that puts a space before every text would put one between prompt and completion too.
        self._adds_space = tokenizer.decode(self._ids("x") + self._ids("y")) != "xy"

    def tokenise(self, numbered: Sequence[NumberedRow]) -> Tokenised:
        """Tokenise in one batch, cut at the longest length, drop rows that teach nothing."""
        chats = [self._rendered(row) for row in numbered if _conversation(row.row)]
        plain = [self._plain_row(row) for row in numbered if not _conversation(row.row)]
        rows = sorted([*self._chat_rows(chats), *plain], key=lambda row: row.number)
        result = Tokenised(only_last_answer=sum(chat.only_last for chat in chats))
        for row in rows:
            result.cut += len(row.input_ids) > self._max_length
            row.input_ids, row.labels = row.input_ids[: self._max_length], row.labels[: self._max_length]
            # The first token is predicted from nothing, so a label there teaches nothing.
            if any(label != IGNORED for label in row.labels[1:]):
                result.rows.append(row)
            else:
                result.dropped += 1
        return result

    def sample_prompts(self, numbered: Sequence[NumberedRow]) -> list[SamplePrompt]:
        """Choose held-out prompts to answer; which ones depends only on the seed."""
        order = list(numbered)
        random.Random(self._spec.hyperparameters.seed).shuffle(order)  # noqa: S311 - not a secret
        samples: list[SamplePrompt] = []
        for row in order:
            if len(samples) == self._spec.evaluation.sample_prompts:
                break
            sample = self._sample(row)
            if sample and len(sample.input_ids) <= self._max_length:
                samples.append(sample)
        return samples

    def _rendered(self, numbered: NumberedRow) -> Rendered:
        row = numbered.row
        messages = _conversation(row)
        first_answer = len(row["prompt"]) if "prompt" in row else 0
        rendered = self.chat.render_row(numbered.number, messages, row.get("tools"), first_answer)
        if self._spec.data.train_on == "answers":
            return rendered
        whole = ((0, len(rendered.text)),)
        return Rendered(rendered.number, rendered.text, whole, rendered.literals)

    def _chat_rows(self, chats: Sequence[Rendered]) -> list[TokenRow]:
        pieces = [(chat, *piece) for chat in chats for piece in split_literals(chat)]
        plain = self._encode([text for _, _, text, literal in pieces if not literal], literal=False)
        literal_ids = self._encode([text for _, _, text, literal in pieces if literal], literal=True)
        rows = {chat.number: TokenRow(chat.number, [], []) for chat in chats}
        for chat, start, _, literal in pieces:
            ids, offsets = next(literal_ids) if literal else next(plain)
            row = rows[chat.number]
            row.input_ids += ids
            # A stand-in lies wholly inside or outside an answer, so its start decides.
            spans = [(start, start + 1)] * len(ids) if literal else [(start + a, start + b) for a, b in offsets]
            row.labels += _labels(ids, spans, chat.answers)
        return [_without_tail(row) for row in rows.values()]

    def _encode(self, texts: list[str], *, literal: bool) -> Any:
        """Iterate over (ids, character offsets) of each text, tokenised in one batch."""
        if not texts:
            return iter(())
        encoded = self._tokenizer(
            texts,
            add_special_tokens=False,
            return_attention_mask=False,
            return_offsets_mapping=True,
            split_special_tokens=literal,
        )
        return iter(zip(encoded["input_ids"], encoded["offset_mapping"], strict=True))

    def _plain_row(self, numbered: NumberedRow) -> TokenRow:
        """Plain text is learned whole; of a pair of strings the completion, each with the end of text."""
        row = numbered.row
        if "text" in row:
            ids = self._bos + self._ids(row["text"]) + self._eos
            return TokenRow(numbered.number, ids, list(ids))
        prompt, completion = self._pair(row["prompt"], row["completion"])
        ids = prompt + completion
        learn_all = self._spec.data.train_on == "everything"
        return TokenRow(numbered.number, ids, list(ids) if learn_all else [IGNORED] * len(prompt) + completion)

    def _pair(self, prompt: str, completion: str) -> tuple[list[int], list[int]]:
        """Tokenise apart, as when the completion is generated; together where that would add a space."""
        if not self._adds_space:
            return self._bos + self._ids(prompt), self._ids(completion) + self._eos
        whole = self._tokenizer(prompt + completion, add_special_tokens=False, return_offsets_mapping=True)
        split = sum(end <= len(prompt) for _, end in whole["offset_mapping"])
        return self._bos + whole["input_ids"][:split], whole["input_ids"][split:] + self._eos

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False).input_ids)

    def _sample(self, numbered: NumberedRow) -> SamplePrompt | None:
        row = numbered.row
        if "text" in row:
            return None
        messages = _conversation(row)
        if not messages:
            ids = self._bos + self._ids(row["prompt"])
            return SamplePrompt(numbered.number, row["prompt"], row["completion"], ids)
        last = max(index for index, message in enumerate(messages) if message["role"] == "assistant")
        if last == 0:
            return None
        rendered = self.chat.render_prompt(numbered.number, messages[:last], row.get("tools"))
        ids = self._chat_ids(rendered)
        return SamplePrompt(numbered.number, _shown(messages[:last]), messages[last].get("content") or "", ids)

    def _chat_ids(self, rendered: Rendered) -> list[int]:
        pieces = [next(self._encode([text], literal=literal))[0] for _, text, literal in split_literals(rendered)]
        return [token for ids in pieces for token in ids]


def _conversation(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The messages of a row of chat; empty for plain text and for a pair of strings."""
    if "messages" in row:
        return list(row["messages"])
    if "prompt" in row and not isinstance(row["prompt"], str):
        return [*row["prompt"], *row["completion"]]
    return []


def _labels(ids: Sequence[int], spans: Sequence[tuple[int, int]], answers: Sequence[tuple[int, int]]) -> list[int]:
    """Keep the ids of tokens that overlap an answer."""
    labels = [IGNORED] * len(ids)
    position = 0
    for start, end in answers:
        while position < len(ids) and spans[position][1] <= start:
            position += 1
        while position < len(ids) and spans[position][0] < end:
            labels[position] = ids[position]
            position += 1
    return labels


def _without_tail(row: TokenRow) -> TokenRow:
    """Drop what follows the last learned token: nothing is learned from it and it costs compute."""
    while row.labels and row.labels[-1] == IGNORED:
        row.labels.pop()
    del row.input_ids[len(row.labels) :]
    return row


def _shown(messages: Sequence[dict[str, Any]]) -> str:
    """The prompt as people read it: the question alone, or every turn with its role."""
    turns = [message for message in messages if message["role"] != "system"]
    if len(turns) == 1:
        return str(turns[0].get("content") or "")
    return "\n".join(f"{turn['role']}: {turn.get('content') or ''}" for turn in turns)
