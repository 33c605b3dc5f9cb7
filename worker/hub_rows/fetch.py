"""Fetches the rows of a dataset: resolves the commit, chooses the Parquet files, receives and packs them."""

import re
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import httpx2
from huggingface_hub import HfApi, hf_hub_url
from huggingface_hub.errors import HfHubHTTPError, RevisionNotFoundError
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import build_hf_headers

from studio.chores.child import Progress
from studio.formats.kinds import PACKED_PARQUET
from studio.storage import free_bytes
from worker import hub_words
from worker.hub_rows.card import CARD_BYTES, Card, read_card
from worker.hub_rows.choose import Chosen, HubFile, choose, shelve, what_is_there
from worker.hub_rows.order import CannotFetch, Order
from worker.hub_rows.receive import Receiver

# The Hub converts many datasets, also those of a script that nobody runs here, to Parquet on this branch.
CONVERTED = "refs/convert/parquet"
_CONVERTED_FROM = "main"
_COMMIT = re.compile(r"[0-9a-f]{40}")
_PATH = re.compile(r"[^\x00-\x1f\x7f-\x9f\\\u2028\u2029\ud800-\udfff]{1,500}")
_LISTED = 100_000
_MOST_FILES = 1000
# The file itself, one part of it while it is packed, and its rows.
_ROOM_TIMES = 3
_HEADROOM_BYTES = 64 << 20
_NOT_UNDERSTOOD = "{place} answered something that is not understood when {name} was asked for."


@dataclass(frozen=True, slots=True)
class _At:
    """A commit of the dataset, and what is in it."""

    commit: str
    files: Sequence[HubFile]


def fetch(order: Order, folder: Path, progress: Progress) -> dict[str, Any]:
    """Leave one file in `folder` that the checking child can read, and say which; raises CannotFetch."""
    with _told(order):
        shop = _Shop(order)
        asked = at = shop.look(order.source.revision)
        card = shop.card(at, folder)
        shelf = shelve(at.files, card, order.source)
        if not shelf:
            at = shop.converted(asked)
            shelf = shelve(at.files, Card(), order.source)
        chosen = choose(shelf, order.source)
        _refuse_large(order, chosen, folder)
        path = shop.receive(at, chosen, folder, progress)
    facts = order.source.facts(
        asked.commit, subset=chosen.subset, licence=card.licence, files=len(chosen.files), parts=list(chosen.parts)
    )
    if at is not asked:
        facts["converted_commit"] = at.commit
    kind = "parquet" if path.suffix == ".parquet" else PACKED_PARQUET
    return {"file": path.name, "kind": kind, "file_name": order.source.file_name(asked.commit), "source": facts}


class _Shop:
    """The Hub, as far as one dataset goes."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._name = order.source.repository
        # False keeps the library from looking for a token of its own.
        self._token = order.token or False
        self._api = HfApi(endpoint=order.endpoint, token=self._token)

    def look(self, revision: str) -> _At:
        commit = self._api.dataset_info(self._name, revision=revision).sha or ""
        if not _COMMIT.fullmatch(commit):
            raise CannotFetch(_NOT_UNDERSTOOD.format(place=self._order.endpoint, name=self._name))
        tree = self._api.list_repo_tree(self._name, recursive=True, revision=commit, repo_type="dataset")
        listed = list(islice(tree, _LISTED + 1))
        if len(listed) > _LISTED:
            raise CannotFetch(f"{self._name} has more than {_LISTED:,} files; only smaller datasets are read.")
        return _At(commit, [_listed(self._name, entry) for entry in listed if isinstance(entry, RepoFile)])

    def converted(self, at: _At) -> _At:
        """The Hub's own conversion; it follows the newest commit alone."""
        found = self._order.source.revision == _CONVERTED_FROM and self._look_for_conversion()
        if not found or not shelve(found.files, Card(), self._order.source):
            raise CannotFetch(
                f"{self._name} has no Parquet files here, and only those are read; it holds {what_is_there(at.files)}. "
                "Download its rows and upload them as a file, or convert it on the Hub. Scripts are never run."
            )
        return found

    def card(self, at: _At, folder: Path) -> Card:
        file = next((file for file in at.files if file.path == "README.md" and file.size_bytes <= CARD_BYTES), None)
        if file is None:
            return Card()
        path = folder / "card.md"
        self._receive(at, file, path, _unheard)
        return read_card(path.read_bytes())

    def receive(self, at: _At, chosen: Chosen, folder: Path, progress: Progress) -> Path:
        total = sum(file.size_bytes for file in chosen.files)
        done = 0

        def tell(size_bytes: int) -> None:
            nonlocal done
            done += size_bytes
            progress.tell("Fetching rows", done, total)

        single = folder / "rows.parquet"
        if len(chosen.files) == 1:
            self._receive(at, chosen.files[0], single, tell)
            return single
        packed = folder / "rows.parquet.zip"
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as target:
            for part, files in chosen.parts.items():
                for number, file in enumerate(files):
                    self._receive(at, file, single, tell)
                    _pack(target, f"{part}/{number:04d}.parquet", single)
        single.unlink()
        return packed

    def _receive(self, at: _At, file: HubFile, target: Path, tell: Callable[[int], None]) -> None:
        receiver = Receiver(file, self._headers(), tell)
        receiver.receive(self._url(at.commit, file.path), target, self._order.retry_seconds)

    def _look_for_conversion(self) -> _At | None:
        try:
            return self.look(CONVERTED)
        except RevisionNotFoundError:
            return None

    def _url(self, commit: str, path: str) -> str:
        return hf_hub_url(self._name, path, repo_type="dataset", revision=commit, endpoint=self._order.endpoint)

    def _headers(self) -> dict[str, str]:
        return build_hf_headers(token=self._token)


def _listed(name: str, entry: RepoFile) -> HubFile:
    """A path is only ever part of an address and of sentences; one that is none is refused all the same."""
    if not _PATH.fullmatch(entry.path) or any(part in {"", ".", ".."} for part in entry.path.split("/")):
        raise CannotFetch(f"{name} lists a file whose name cannot be used; nothing was fetched.")
    if not isinstance(entry.size, int) or entry.size < 0:
        raise ValueError("a size is no number")
    return HubFile(entry.path, entry.size, entry.lfs.sha256 if entry.lfs else None, entry.blob_id)


def _refuse_large(order: Order, chosen: Chosen, folder: Path) -> None:
    size = sum(file.size_bytes for file in chosen.files)
    told = f"These rows of {order.source.repository} take {_size(size)} in {len(chosen.files):,} files"
    if size > order.limit_bytes:
        raise CannotFetch(f"{told}; {_size(order.limit_bytes)} are allowed (TUNEWRIGHT_UPLOAD_LIMIT_BYTES).")
    if len(chosen.files) > _MOST_FILES:
        raise CannotFetch(f"{told}; {_MOST_FILES:,} files are allowed.")
    if (free := free_bytes(folder)) < _ROOM_TIMES * size + _HEADROOM_BYTES:
        raise CannotFetch(f"{told}, and the data folder has {_size(free)} left. Free some space, then try it again.")


def _pack(target: zipfile.ZipFile, name: str, source: Path) -> None:
    """The same files make the same bytes: an entry made so has no time of its own."""
    with source.open("rb") as stream, target.open(zipfile.ZipInfo(name), "w", force_zip64=True) as entry:
        shutil.copyfileobj(stream, entry, 1 << 20)


def _unheard(size_bytes: int) -> None:
    """The card is too short to tell of."""


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.2f} GB" if size_bytes >= 1e8 else f"{size_bytes / 1e6:.1f} MB"


@contextmanager
def _told(order: Order) -> Iterator[None]:
    """Turn what the Hub's library raises into a sentence; the library's own words go to the log."""
    source = order.source
    try:
        yield
    except (HfHubHTTPError, httpx2.HTTPError, OSError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201 - standard error is the log
        told = hub_words.sentence(error, "dataset", source.repository, source.revision, order.endpoint)
        raise CannotFetch(told) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        # The library takes answers apart without looking at them first.
        print(f"{type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201 - standard error is the log
        raise CannotFetch(_NOT_UNDERSTOOD.format(place=order.endpoint, name=source.repository)) from error
