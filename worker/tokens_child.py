"""The child of a worker that tokenises all rows of a version, and sees what a longest row makes of them.

Chat templates come with base models, so they are programs of strangers: they run in the sandbox of transformers, and
here with bounds on their time, their memory and what they write.
"""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from studio.chores.child import CannotDo, Progress, run_child
from studio.datasets.token_truth import PROFILE_FOLDER
from studio.datasets.token_view import PLACES_SUFFIX, vocabulary_file
from studio.errors import StudioError
from worker.tokens import CachedRows, TokenCache, tokenizer_sha256, tokens_key
from worker.tokens_encode import EncodedRow, RowEncoder
from worker.tokens_fill import fill
from worker.tokens_load import load_tokenizer
from worker.tokens_profile import profile, write_places, write_vocabulary

_LOOK_SECONDS = 1.0
# Templates that refuse the first rows of a dataset refuse them all.
_FIRST_ROWS = 50


def main(folder: Path) -> int:
    """Do the chore whose request lies in `folder`."""
    return run_child(count_tokens, folder)


def count_tokens(request: dict[str, Any], folder: Path, progress: Progress) -> dict[str, Any]:
    """Fill the cache where it is empty, and profile the rows; raises CannotDo with a sentence."""
    try:
        progress.tell("Reading the tokenizer", 0, request["row_count"])
        tokenizer = load_tokenizer(Path(request["base_model_folder"]))
        encoder = RowEncoder(tokenizer, request["train_on"])
        sha256 = tokenizer_sha256(Path(request["base_model_folder"]))
        key = tokens_key(request["rows_sha256"], tokenizer, Path(request["base_model_folder"]), request["train_on"])
        cache = TokenCache(Path(request["cache"]))
        rows = cache.open(key)
        was_cached = rows is not None
        if rows is None:
            rows = _tokenise(cache, key, encoder, request, progress)
        _write_view(cache, key, rows, encoder, sha256)
        progress.tell("Counting tokens", request["row_count"], request["row_count"])
        found = profile(rows, Path(request["split_codes"]).read_bytes(), folder / PROFILE_FOLDER)
    except StudioError as error:
        raise CannotDo(error.message) from error
    return {
        **found,
        "tokens_key": key,
        "tokenizer": sha256,
        "template": "own" if encoder.chat.had_template else "plain",
        "vocabulary": len(tokenizer),
        "was_cached": was_cached,
    }


def _tokenise(
    cache: TokenCache, key: str, encoder: RowEncoder, request: dict[str, Any], progress: Progress
) -> CachedRows:
    refused = 0

    def look(row: EncodedRow) -> None:
        nonlocal refused
        refused += bool(row.problem)
        if row.problem and refused == row.number and row.number >= min(_FIRST_ROWS, request["row_count"]):
            raise CannotDo(f"None of the first {row.number} rows can be used. {row.problem}")
        progress.tell("Tokenising", row.number, request["row_count"])

    with _row_clock(request["row_seconds"]) as rendering:
        return fill(cache, key, encoder, Path(request["rows"]), begun=rendering, done=look)


def _write_view(cache: TokenCache, key: str, rows: CachedRows, encoder: RowEncoder, tokenizer: str) -> None:
    places, vocabulary = cache.folder / f"{key}{PLACES_SUFFIX}", cache.folder / vocabulary_file(tokenizer)
    if not places.is_file():
        write_places(rows, places)
    if not vocabulary.is_file():
        write_vocabulary(encoder.tokenizer, vocabulary)


@contextmanager
def _row_clock(seconds: float) -> Iterator[Any]:
    """Give up a row that is rendered for too long; yields what is to be called with the number of each row."""
    current = [0, time.monotonic()]

    def begin(number: int) -> None:
        current[:] = number, time.monotonic()

    def look(*_: object) -> None:
        if current[0] and time.monotonic() - current[1] > seconds:
            raise CannotDo(
                f"Row {current[0]}: the base model's chat template needs more than {seconds:.0f} seconds for it. "
                "Choose another base model."
            )

    before = signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, _LOOK_SECONDS, _LOOK_SECONDS)
    try:
        yield begin
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
