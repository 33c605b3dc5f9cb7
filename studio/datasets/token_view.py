"""The tokens of one row, read by seeks from the cache of tokenised rows: no tokenizer is needed to look at them."""

import struct
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

# Where a row's ids lie and how many there are, the same of its answers, and how many ids matter.
PLACES_SUFFIX = ".places"
PLACE_FORMAT = "<QIQII"
SPECIAL = b"\1"


def vocabulary_file(tokenizer_sha256: str) -> str:
    """The name of the file with the bytes of a tokenizer's tokens, in the cache of tokenised rows."""
    return f"vocabulary-{tokenizer_sha256[:32]}.bin"


@dataclass(frozen=True, slots=True)
class Token:
    """One token, or several that only together are characters; `state` is trained, masked or cut."""

    text: str
    state: str
    is_special: bool
    ids: tuple[int, ...]

    @property
    def shown(self) -> str:
        """The text with its white space made visible."""
        return self.text.replace(" ", "·").replace("\t", "→\t").replace("\r", "␍").replace("\n", "↵\n") or "∅"


@dataclass(frozen=True, slots=True)
class TokenView:
    """The tokens of a row from the `start`-th on, and how many there are in all."""

    tokens: list[Token]
    count: int
    length: int
    trained: int


def read_tokens(
    token_cache: Path, result: dict[str, Any], number: int, max_length: int, *, start: int = 0, limit: int = 2000
) -> TokenView | None:
    """The tokens of a row (from 1); None when the cache has been cleared."""
    try:
        place = _place(token_cache / f"{result['tokens_key']}{PLACES_SUFFIX}", number)
        with (token_cache / f"{result['tokens_key']}.arrow").open("rb") as rows:
            ids = _integers(rows, place[0] + 4 * start, min(limit, max(0, place[1] - start)))
            answers = _integers(rows, place[2], place[3])
        with (token_cache / vocabulary_file(result["tokenizer"])).open("rb") as vocabulary:
            pieces = [_piece(vocabulary, token) for token in ids]
    except (FileNotFoundError, struct.error):
        return None
    states = _states(answers, start, len(ids), min(place[4], max_length))
    trained = sum(max(0, min(end, max_length) - begin) for begin, end in zip(answers[::2], answers[1::2], strict=True))
    return TokenView(list(_tokens(ids, pieces, states)), place[1], place[4], trained)


def _place(path: Path, number: int) -> tuple[int, ...]:
    size = struct.calcsize(PLACE_FORMAT)
    with path.open("rb") as stream:
        stream.seek((number - 1) * size)
        return struct.unpack(PLACE_FORMAT, stream.read(size))


def _integers(stream: BinaryIO, place: int, count: int) -> Sequence[int]:
    stream.seek(place)
    return array("i", stream.read(4 * count))


def _piece(vocabulary: BinaryIO, token: int) -> bytes:
    """The kind of a token and its bytes; empty for an id that the vocabulary does not have."""
    vocabulary.seek(0)
    (count,) = struct.unpack("<I", vocabulary.read(4))
    if token >= count:
        return b"\0"
    vocabulary.seek(4 + 4 * token)
    begin, end = struct.unpack("<II", vocabulary.read(8))
    vocabulary.seek(4 + 4 * (count + 1) + begin)
    return vocabulary.read(end - begin)


def _states(answers: Sequence[int], start: int, count: int, length: int) -> list[str]:
    states = ["masked"] * count
    for begin, end in zip(answers[::2], answers[1::2], strict=True):
        for place in range(max(begin, start), min(end, start + count)):
            states[place - start] = "trained"
    for place in range(max(length, start), start + count):
        states[place - start] = "cut"
    return states


def _tokens(ids: Sequence[int], pieces: Sequence[bytes], states: Sequence[str]) -> Iterator[Token]:
    """Join tokens whose bytes are no characters alone, as long as their state is the same."""
    place = 0
    while place < len(ids):
        end, text = place + 1, pieces[place][1:]
        while not _is_text(text) and end < min(len(ids), place + 4) and states[end] == states[place]:
            text, end = text + pieces[end][1:], end + 1
        if not _is_text(text):
            end, text = place + 1, pieces[place][1:]
        is_special = pieces[place][:1] == SPECIAL
        yield Token(text.decode("utf-8", "backslashreplace"), states[place], is_special, tuple(ids[place:end]))
        place = end


def _is_text(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
