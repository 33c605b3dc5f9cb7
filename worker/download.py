"""Fetches a base model from the Hub into the models folder: the only program that sees the Hub's token.

Run as `python -m worker.download FOLDER` with an `Order` as JSON on standard input. It speaks to the supervisor as a
trainer does, by lines in `events.jsonl`, and leaves what it found in `base_model.json`.
"""

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import httpx2
from huggingface_hub import HfApi, get_cached_repo_tree, snapshot_download
from huggingface_hub.errors import (
    CachedRepoTreeNotFoundError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RevisionResolutionError,
)
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils._paths import filter_repo_objects

from studio.base_models import read_config
from studio.errors import InvalidInput, StudioError
from studio.runs.events import Failed, PhaseBegan, event_line
from studio.runs.folders import EVENTS_FILE
from studio.storage import free_bytes
from worker import hub_words
from worker.order import RESULT_FILE, TOKENIZER_FILES, Found, Order
from worker.start import die_with_parent

ALLOWED_FILES = (
    "*.safetensors",
    "*.safetensors.index.json",
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "vocab.json",
    "merges.txt",
    "LICENSE*",
)
# Sub-folders hold other formats of the same weights, and `consolidated.safetensors` is Mistral's second copy.
IGNORED_FILES = ("*/*", "consolidated*")
_HEADROOM_BYTES = 1 << 30
_NOTE_SECONDS = 2.0
Note = Callable[[str], None]


class DownloadFailed(StudioError):
    """The base model cannot be had; `kind` is the run's failure kind."""

    def __init__(self, message: str, kind: Literal["model_load", "disk_full"] = "model_load") -> None:
        super().__init__(message)
        self.kind = kind


def main(folder: Path, order: Order) -> int:
    """Fetch, telling the progress; returns the exit code."""
    events = folder / EVENTS_FILE
    try:
        found = fetch(order, note=lambda note: _tell(events, PhaseBegan(phase="downloading", note=note)))
    except DownloadFailed as failure:
        _tell(events, Failed(kind=failure.kind, reason=failure.message))
        return 1
    (folder / RESULT_FILE).write_text(found.model_dump_json(), encoding="utf-8")
    return 0


def fetch(order: Order, note: Note) -> Found:
    """Resolve the commit, check config.json, then fetch the weights; raises DownloadFailed with a sentence."""
    with _told(order):
        api = HfApi(endpoint=order.endpoint, token=_token(order))
        commit = api.resolve_revision(order.model_id, revision=order.revision, cache_dir=order.models_dir).resolved
        folder = _find_cached(order, commit)
        if folder is None and order.tokenizers_dir is not None:
            return Found(folder=_fetch_tokenizer(order, commit), revision=commit)
        if folder is None:
            sizes = _list_files(api, order, commit)
            _refuse_unusable(order, sizes)
            _refuse_full_disk(order, sizes)
            read_config(Path(_snapshot(order, commit, ("config.json",))))
            with _progress_told(order, sum(sizes.values()), note):
                folder = Path(_snapshot(order, commit))
        read_config(folder)
    return Found(folder=folder, revision=commit)


def _fetch_tokenizer(order: Order, commit: str) -> Path:
    """The files of the tokenizer alone, in a folder of their own: a folder of base models holds whole ones."""
    apart = order.model_copy(update={"models_dir": order.tokenizers_dir})
    folder = Path(_snapshot(apart, commit, TOKENIZER_FILES))
    if not (folder / "tokenizer.json").is_file():
        raise DownloadFailed(f"{order.model_id} has no tokenizer.json, so its tokens cannot be counted; pick another.")
    return folder


def _find_cached(order: Order, commit: str) -> Path | None:
    """The folder of a commit that was fetched wholly before: a commit never changes, so no network is needed."""
    try:
        get_cached_repo_tree(order.model_id, revision=commit, cache_dir=order.models_dir)
        return Path(_snapshot(order, commit, local_files_only=True))
    except (CachedRepoTreeNotFoundError, LocalEntryNotFoundError):
        return None


def _list_files(api: HfApi, order: Order, commit: str) -> dict[str, int]:
    """Sizes in bytes of the files that will be fetched, by name."""
    tree = api.list_repo_tree(order.model_id, recursive=True, revision=commit)
    sizes = {entry.path: entry.size for entry in tree if isinstance(entry, RepoFile)}
    names = filter_repo_objects(sizes, allow_patterns=list(ALLOWED_FILES), ignore_patterns=list(IGNORED_FILES))
    return {name: sizes[name] for name in names}


def _refuse_unusable(order: Order, sizes: dict[str, int]) -> None:
    if not any(name.endswith(".safetensors") for name in sizes):
        raise DownloadFailed(
            f"{order.model_id} has no .safetensors weights. Pickle formats (.bin, .pt) are not read, because opening "
            "them can run code; pick a model or revision with safetensors."
        )
    for name in ("config.json", "tokenizer.json"):
        if name not in sizes:
            raise DownloadFailed(f"{order.model_id} has no {name}, so it cannot be trained here; pick another model.")


def _refuse_full_disk(order: Order, sizes: dict[str, int]) -> None:
    needed = sum(sizes.values()) + _HEADROOM_BYTES
    free = free_bytes(order.models_dir)
    if free < needed:
        raise DownloadFailed(
            f"{order.model_id} needs {_gigabytes(needed)} of disk with headroom, and the data folder has "
            f"{_gigabytes(free)}. Free some space, then run again.",
            kind="disk_full",
        )


def _snapshot(
    order: Order, commit: str, names: tuple[str, ...] = ALLOWED_FILES, *, local_files_only: bool = False
) -> str:
    return snapshot_download(
        order.model_id,
        revision=commit,
        cache_dir=order.models_dir,
        endpoint=order.endpoint,
        token=_token(order),
        allow_patterns=list(names),
        ignore_patterns=list(IGNORED_FILES),
        local_files_only=local_files_only,
        max_workers=4,
    )


@contextlib.contextmanager
def _progress_told(order: Order, total_bytes: int, note: Note) -> Iterator[None]:
    """Say every 2 s how much has arrived, by the sizes of the files in the cache."""
    finished = threading.Event()
    blobs = order.models_dir / f"models--{order.model_id.replace('/', '--')}" / "blobs"

    def _watch() -> None:
        while not finished.wait(_NOTE_SECONDS):
            note(f"{_gigabytes(_size_of(blobs))} of {_gigabytes(total_bytes)}")

    note(f"{_gigabytes(total_bytes)} to fetch")
    watching = threading.Thread(target=_watch, daemon=True)
    watching.start()
    try:
        yield
    finally:
        finished.set()
        watching.join()


def _size_of(folder: Path) -> int:
    total = 0
    for path in folder.glob("*"):
        # An unfinished file is renamed when it is whole.
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


@contextlib.contextmanager
def _told(order: Order) -> Iterator[None]:
    """Turn what the Hub's library raises into a sentence; the library's own words go to the log."""
    try:
        yield
    except InvalidInput as error:
        raise DownloadFailed(error.message) from error
    except (HfHubHTTPError, RevisionResolutionError, httpx2.HTTPError, OSError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201 - standard error is the run's log
        raise _sentence(order, error) from error


def _sentence(order: Order, error: Exception) -> DownloadFailed:
    told = hub_words.sentence(error, "model", order.model_id, order.revision, order.endpoint)
    return DownloadFailed(told, kind="disk_full" if hub_words.is_disk_full(error) else "model_load")


def _token(order: Order) -> str | bool:
    # False keeps the library from looking for a token of its own.
    return order.token or False


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.2f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"


def _tell(events: Path, event: PhaseBegan | Failed) -> None:
    with events.open("a", encoding="utf-8") as stream:
        stream.write(event_line(event))


if __name__ == "__main__":
    die_with_parent()
    sys.exit(main(Path(sys.argv[1]), Order.model_validate_json(sys.stdin.read())))
