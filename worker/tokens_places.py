"""Finds answers among tokens: by the special tokens around them, or by the offset of every token.

A tokenizer that need not keep offsets takes a fifth less time. Special tokens cut a text into stretches that are
tokenised each by itself, so an answer that ends with one ends at its id. An answer begins some marks after one, such as
`assistant` and a line break behind `<|im_start|>`: where those marks have the ids there that they have alone, the next
id is the answer's first, because every id of a byte-level tokenizer stands for the same bytes everywhere.
"""

import json
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from worker.chat import Span

Ids = np.ndarray[Any, np.dtype[np.int32]]


class AnswerPlaces:
    """Of one tokenizer; `ids_of` gives the ids of a text by itself, None where they stand for another one."""

    def __init__(self, backend: Tokenizer, special: Sequence[str], ids_of: Callable[[str], list[int] | None]) -> None:
        self._ids_of = ids_of
        self._special = re.compile("|".join(map(re.escape, special))) if special else None
        ids = [number for text in special if (number := backend.token_to_id(text)) is not None]
        self._is_special = np.zeros(max(backend.get_vocab(with_added_tokens=True).values()) + 1, bool)  # by id
        self._is_special[ids] = True
        self._leads: dict[str, list[int] | None] = {}
        self._strips = any(token.lstrip or token.rstrip for token in backend.get_added_tokens_decoder().values())
        self._is_byte_level = (json.loads(backend.to_str()).get("decoder") or {}).get("type") == "ByteLevel"

    @property
    def can_be_found(self) -> bool:
        """Whether there are marks to go by; one that takes the spaces around it is none."""
        return self._special is not None and self._is_byte_level and not self._strips

    def find(self, text: str, answers: Sequence[Span], ids: Ids) -> list[int] | None:
        """Where each answer begins and ends among the `ids` (T,) of the text, or None if that cannot be told."""
        assert self._special is not None
        ends = [match.end() for match in self._special.finditer(text)]
        marks = self._is_special[ids].nonzero()[0]  # (M,)
        if len(marks) != len(ends):
            return None
        found: list[int] = []
        for begin, end in answers:
            first, last = bisect_right(ends, begin), bisect_right(ends, end)
            if first == 0 or last <= first or ends[last - 1] != end:
                return None
            start = int(marks[first - 1]) + 1
            lead = self._lead(text[ends[first - 1] : begin])
            if lead is None or ids[start : start + len(lead)].tolist() != lead:
                return None
            if found and found[-1] == start + len(lead):
                found.pop()
            else:
                found.append(start + len(lead))
            found.append(int(marks[last - 1]) + 1)
        return found

    def _lead(self, text: str) -> list[int] | None:
        """The ids of what stands between a special token and an answer, the same in most rows."""
        if not text:
            return []
        if text not in self._leads and len(self._leads) < 1000:
            self._leads[text] = self._ids_of(text)
        return self._leads.get(text)


def stretches(answers: Sequence[Span], start: int, encoding: Any) -> Iterator[tuple[int, int]]:
    """The tokens that overlap an answer of the text that begins at `start`; their places in it never go backwards."""
    size, done = len(encoding), 0
    for begin, end in answers:
        first = first_after(encoding, begin - start, done)
        done = bisect_left(range(first, size), end - start, key=lambda token: encoding.token_to_chars(token)[0]) + first
        if first < done:
            yield first, done


def first_after(encoding: Any, character: int, begin: int = 0) -> int:
    """The first token that ends after a character."""
    places = range(begin, len(encoding))
    return begin + bisect_right(places, character, key=lambda token: encoding.token_to_chars(token)[1])
