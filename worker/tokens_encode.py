"""Turns canonical rows into token ids and the stretches of them that are learned, on all cores, row after row."""

import contextlib
import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from transformers import PreTrainedTokenizerBase

from studio.errors import InvalidInput
from worker.chat import Chat, Message, Rendered, Span, adds_bos, special_texts, split_literals
from worker.rows import NumberedRow, Row
from worker.tokens_places import AnswerPlaces, first_after, stretches
from worker.tokens_quick import CHECKED_EVERY, QuickChat, Unsure

# Some 30 MB of encodings; more at once is not faster.
_BATCH_CHARACTERS = 1 << 20
_BATCH_ROWS = 2048
# Batches that wait for the tokenizer, so that it never waits for them.
_AHEAD = 2
_PARALLEL = "TOKENIZERS_PARALLELISM"
Ids = np.ndarray[Any, np.dtype[np.int32]]


@dataclass(frozen=True, slots=True)
class EncodedRow:
    """One row uncut: `ids` (T,), and in `answers` where each learned stretch begins and ends, one after the other.

    `length` counts the ids that matter: nothing is learned from what follows the last answer of a chat. A row that the
    template refuses has a `problem` and no ids.
    """

    number: int
    ids: Ids
    answers: tuple[int, ...]
    length: int
    only_last: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Draft:
    """A row as texts that wait to be tokenised; `answers` are characters of a chat's text."""

    number: int
    kind: Literal["chat", "text", "pair", "joined"]
    pieces: Sequence[tuple[int, str, bool]] = ()
    answers: Sequence[Span] = ()
    only_last: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Encodings:
    """Of a batch, by place: `quick` without offsets, `whole` with those of every piece."""

    quick: dict[int, Any]
    whole: dict[int, list[Any]]


class RowEncoder:
    """Knows the tokenizer, the chat template and what of a row is learned."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, train_on: str, *, quick: bool = True) -> None:
        self.chat = Chat(tokenizer)
        self.tokenizer = tokenizer
        self.bos = [tokenizer.bos_token_id] if adds_bos(tokenizer) else []
        self._eos = [tokenizer.eos_token_id] if tokenizer.eos_token_id is not None else []
        self._everything = train_on == "everything"
        self._train_on = train_on
        self._render = QuickChat(self.chat, str(tokenizer.chat_template)).render_row if quick else self.chat.render_row
        # A tokenizer that puts a space before every text would put one between prompt and completion too.
        self._adds_space = tokenizer.decode(self.ids("x") + self.ids("y")) != "xy"
        self._backend = tokenizer.backend_tokenizer
        self._backend.no_truncation()
        self._backend.no_padding()
        self._reading = threading.RLock()
        special = sorted(special_texts(tokenizer), key=len, reverse=True)
        places = AnswerPlaces(self._backend, special, self._alone)
        self._places = places if quick and not self._everything and places.can_be_found else None
        self._chosen = self._found = self._missed = 0

    def slow(self) -> "RowEncoder":
        """The same without what QuickChat saves."""
        return RowEncoder(self.tokenizer, self._train_on, quick=False)

    def encode(self, rows: Iterable[NumberedRow]) -> Iterator[EncodedRow]:
        """Encode rows in order; texts are tokenised while others are rendered or put together. Raises Unsure."""
        with all_cores(), ThreadPoolExecutor(1) as pool:
            ahead: deque[tuple[list[_Draft], Future[_Encodings]]] = deque()
            for drafts in self._batches(rows):
                ahead.append((drafts, pool.submit(self._tokenise, drafts)))
                if len(ahead) > _AHEAD:
                    yield from self._rows(*ahead.popleft())
            while ahead:
                yield from self._rows(*ahead.popleft())

    def ids(self, text: str) -> list[int]:
        """The ids of a plain text, without any that mark its beginning or end."""
        return list(self.tokenizer(text, add_special_tokens=False).input_ids)

    def prompt_ids(self, rendered: Rendered) -> list[int]:
        """The ids of a conversation that waits for an answer."""
        pieces = [self._encode([text], literal=literal)[0].ids for _, text, literal in split_literals(rendered)]
        return [token for ids in pieces for token in ids]

    def _batches(self, rows: Iterable[NumberedRow]) -> Iterator[list[_Draft]]:
        drafts: list[_Draft] = []
        characters = 0
        for row in rows:
            draft = self._draft(row)
            drafts.append(draft)
            characters += sum(len(text) for _, text, _ in draft.pieces)
            if characters >= _BATCH_CHARACTERS or len(drafts) == _BATCH_ROWS:
                yield drafts
                drafts, characters = [], 0
        if drafts:
            yield drafts

    def _draft(self, numbered: NumberedRow) -> _Draft:
        row, number = numbered.row, numbered.number
        messages = conversation(row)
        if messages:
            return self._chat_draft(number, row, messages)
        if "text" in row:
            return _Draft(number, "text", [(0, row["text"], False)])
        if "completion" not in row:
            return _Draft(number, "text", problem=f"Row {number}: it has no answer to learn from.")
        prompt, completion = row["prompt"], row["completion"]
        if self._adds_space:
            return _Draft(number, "joined", [(0, prompt + completion, False)], [(0, len(prompt))])
        # Apart, as when the completion is generated.
        return _Draft(number, "pair", [(0, prompt, False), (0, completion, False)])

    def _chat_draft(self, number: int, row: Row, messages: list[Message]) -> _Draft:
        first_answer = len(row["prompt"]) if "prompt" in row else 0
        needs_answers = not self._everything
        try:
            found = self._render(number, messages, row.get("tools"), first_answer, needs_answers=needs_answers)
        except InvalidInput as error:
            return _Draft(number, "chat", problem=error.message)
        if self._everything:
            found = replace(found, answers=((0, len(found.text)),), only_last=False)
        return _Draft(number, "chat", split_literals(found), found.answers, found.only_last)

    def _tokenise(self, drafts: Sequence[_Draft]) -> _Encodings:
        """All that takes time outside Python, in the thread of its own; of some rows both ways, to look at them."""
        quick: dict[int, Any] = {}
        if self._places is not None and self._missed <= self._found + CHECKED_EVERY:
            chosen = [place for place, draft in enumerate(drafts) if _is_one_text(draft)]
            texts = [drafts[place].pieces[0][1] for place in chosen]
            quick = dict(zip(chosen, self._backend.encode_batch_fast(texts, add_special_tokens=False), strict=True))
        looked_at = [place for number, place in enumerate(quick) if (self._chosen + number) % CHECKED_EVERY == 0]
        self._chosen += len(quick)
        rest = [place for place in range(len(drafts)) if place not in quick]
        return _Encodings(quick, self._with_offsets(drafts, [*rest, *looked_at]))

    def _with_offsets(self, drafts: Sequence[_Draft], places: Sequence[int]) -> dict[int, list[Any]]:
        pieces = [(text, literal) for place in places for _, text, literal in drafts[place].pieces]
        plain = iter(self._encode([text for text, literal in pieces if not literal], literal=False))
        literals = iter(self._encode([text for text, literal in pieces if literal], literal=True))
        return {
            place: [next(literals if literal else plain) for _, _, literal in drafts[place].pieces] for place in places
        }

    def _rows(self, drafts: Sequence[_Draft], tokenised: "Future[_Encodings]") -> Iterator[EncodedRow]:
        encodings = tokenised.result()
        for place, draft in enumerate(drafts):
            found = self._quickly(draft, encodings.quick[place]) if place in encodings.quick else None
            if found is not None and place not in encodings.whole:
                yield found
                continue
            row = self._encoded(draft, encodings.whole.get(place) or self._late(drafts, place))
            if found is not None and not _same(found, row):
                raise Unsure
            yield row

    def _late(self, drafts: Sequence[_Draft], place: int) -> list[Any]:
        with self._reading:
            return self._with_offsets(drafts, [place])[place]

    def _quickly(self, draft: _Draft, encoding: Any) -> EncodedRow | None:
        """The row without offsets; None where they are needed."""
        assert self._places is not None
        ids = np.array(encoding.ids, np.int32)
        answers = self._places.find(draft.pieces[0][1], draft.answers, ids)
        if answers is None:
            self._missed += 1
            return None
        self._found += 1
        return EncodedRow(draft.number, ids, tuple(answers), answers[-1], draft.only_last)

    def _alone(self, text: str) -> list[int] | None:
        """The ids of a text, where they stand for nothing else."""
        with self._reading:
            ids = self._backend.encode(text, add_special_tokens=False).ids
            return ids if self._backend.decode(ids, skip_special_tokens=False) == text else None

    def _encode(self, texts: list[str], *, literal: bool) -> Sequence[Any]:
        """Tokenise in one batch; of a `literal` text no part is a special token."""
        if not texts:
            return ()
        if not literal:
            return list(self._backend.encode_batch(texts, add_special_tokens=False))
        # No other thread may read with the backend while its setting is changed.
        with self._reading:
            self._backend.encode_special_tokens = True
            try:
                return list(self._backend.encode_batch(texts, add_special_tokens=False))
            finally:
                self._backend.encode_special_tokens = False

    def _encoded(self, draft: _Draft, encodings: Sequence[Any]) -> EncodedRow:
        if draft.problem:
            return EncodedRow(draft.number, np.empty(0, np.int32), (), 0, problem=draft.problem)
        if draft.kind == "chat":
            return _encoded_chat(draft, encodings)
        ids = [*self.bos, *(token for encoding in encodings for token in encoding.ids), *self._eos]
        start = 0
        if draft.kind == "joined" and not self._everything:
            start = len(self.bos) + first_after(encodings[0], draft.answers[0][1])
        elif draft.kind == "pair" and not self._everything:
            start = len(self.bos) + len(encodings[0])
        answers = (start, len(ids)) if start < len(ids) else ()
        return EncodedRow(draft.number, np.array(ids, np.int32), answers, len(ids))


def _is_one_text(draft: _Draft) -> bool:
    """A chat with answers, and nothing in it that has to be read literally."""
    return draft.kind == "chat" and bool(draft.answers) and [literal for _, _, literal in draft.pieces] == [False]


def _same(one: EncodedRow, other: EncodedRow) -> bool:
    return one.answers == other.answers and np.array_equal(one.ids, other.ids)


def conversation(row: Row) -> list[Message]:
    """The messages of a row of chat; empty for plain text and for a pair of strings."""
    if "messages" in row:
        return list(row["messages"])
    if "prompt" in row and not isinstance(row["prompt"], str):
        return [*row["prompt"], *row.get("completion", ())]
    return []


@contextlib.contextmanager
def all_cores() -> Iterator[None]:
    """Let the tokenizer use every core meanwhile: workers tell it not to, for the sake of processes that they fork."""
    before = os.environ.get(_PARALLEL)
    os.environ[_PARALLEL] = "true"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_PARALLEL]
        else:
            os.environ[_PARALLEL] = before


def _encoded_chat(draft: _Draft, encodings: Sequence[Any]) -> EncodedRow:
    ids: list[int] = []
    answers: list[int] = []
    for (start, _, literal), encoding in zip(draft.pieces, encodings, strict=True):
        for begin, end in _literal(draft, start, encoding) if literal else stretches(draft.answers, start, encoding):
            if answers and answers[-1] == len(ids) + begin:
                answers[-1] = len(ids) + end
            else:
                answers += [len(ids) + begin, len(ids) + end]
        ids += encoding.ids
    length = answers[-1] if answers else 0
    return EncodedRow(draft.number, np.array(ids, np.int32), tuple(answers), length, draft.only_last)


def _literal(draft: _Draft, start: int, encoding: Any) -> Iterator[tuple[int, int]]:
    """A stand-in lies wholly inside or outside an answer, so its start decides."""
    if any(begin <= start < end for begin, end in draft.answers):
        yield 0, len(encoding)


def answer_stretches(answers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Begin and end of each learned stretch."""
    return (pair for place, pair in enumerate(pairwise(answers)) if place % 2 == 0)
