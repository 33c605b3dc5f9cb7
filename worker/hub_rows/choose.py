"""Chooses the Parquet files of one split among the files of a dataset: by its card, or by how its files are named."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from studio.datasets import HubSource
from worker.hub_rows.card import Card, Subset
from worker.hub_rows.order import CannotFetch

DEFAULT = "default"
_SUFFIX = ".parquet"
_SHARD = re.compile(r"(?P<split>.+?)-(?P<number>\d{5})-of-(?P<count>\d{5})(?:-[0-9a-f]{8,40})?")
_WORDS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_CANONICAL = {word: split for split, words in _WORDS.items() for word in words}
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file as the Hub lists it; files in large storage have a SHA-256, others the hash that git gives them."""

    path: str
    size_bytes: int
    sha256: str | None
    git_sha1: str


Splits = dict[str, list[HubFile]]
Shelf = dict[str, Splits]


@dataclass(frozen=True, slots=True)
class Chosen:
    """The files of each part of a dataset: `train` and, where they were asked for, `validation` and `test`."""

    subset: str
    parts: Mapping[str, Sequence[HubFile]]

    @property
    def files(self) -> list[HubFile]:
        """All of them, train first."""
        return [file for files in self.parts.values() for file in files]


def shelve(files: Iterable[HubFile], card: Card, source: HubSource) -> Shelf:
    """The Parquet files by subset and split; by a card only those of the subset that is meant, of the others the names.

    Empty when there are none.
    """
    parquet = sorted((file for file in files if file.path.endswith(_SUFFIX)), key=lambda file: file.path)
    if not card.subsets:
        return _by_layout(parquet)
    meant = _meant(card.subsets, source)
    if meant is None:
        return {subset.name: {} for subset in card.subsets}
    splits = _of_subset(meant, parquet)
    return {meant.name: splits} if splits else {}


def choose(shelf: Shelf, source: HubSource) -> Chosen:
    """The files that are wanted; raises CannotFetch with what there is instead."""
    subset = _pick_subset(shelf, source)
    splits = shelf[subset]
    if source.split not in splits:
        raise CannotFetch(f"{_named(source, subset)} has no split {source.split!r}; it has {_listed(splits)}.")
    parts = {"train": splits[source.split]} | (_held_out(splits, source, subset) if source.held_out else {})
    for files in parts.values():
        _refuse_gaps(source, files)
    return Chosen(subset, parts)


def what_is_there(files: Iterable[HubFile]) -> str:
    """The kinds of files, most frequent first, such as `3 .jsonl, 1 .py`."""
    kinds = Counter(_ending(file.path) for file in files if not file.path.rpartition("/")[2].startswith("."))
    return ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common(6)) or "nothing"


def _by_layout(files: Sequence[HubFile], folder: str = "") -> Shelf:
    shelf: Shelf = {}
    for file in files:
        subset, split = _place(file.path.removeprefix(f"{folder}/") if folder else file.path)
        shelf.setdefault(subset, {}).setdefault(split, []).append(file)
    return shelf


def _meant(subsets: Sequence[Subset], source: HubSource) -> Subset | None:
    """The subset that was named, else the default one, else the only one."""
    if source.subset is not None:
        return next((subset for subset in subsets if subset.name == source.subset), None)
    by_default = [subset for subset in subsets if subset.is_default or subset.name == DEFAULT]
    by_default.sort(key=lambda subset: not subset.is_default)
    return next(iter(by_default), None) or (subsets[0] if len(subsets) == 1 else None)


def _of_subset(subset: Subset, files: Sequence[HubFile]) -> Splits:
    start = f"{subset.folder}/" if subset.folder else ""
    if subset.splits:
        found = {split: _fitting(files, start, patterns) for split, patterns in subset.splits.items()}
        return {split: chosen for split, chosen in found.items() if chosen}
    splits: Splits = {}
    below = [file for file in files if file.path.startswith(start)]
    for by_split in _by_layout(below, subset.folder).values():
        for split, chosen in by_split.items():
            splits.setdefault(split, []).extend(chosen)
    return splits


def _fitting(files: Sequence[HubFile], start: str, patterns: Iterable[str]) -> list[HubFile]:
    """Those that fit any of the patterns, which go on from `start`, in the order of their paths."""
    whole = [start + pattern.removeprefix("./") for pattern in patterns]
    return [file for file in files if any(matches(file.path, pattern) for pattern in whole)]


def _place(path: str) -> tuple[str, str]:
    """Subset and split of a path, such as `en/train-00000-of-00002.parquet` or `en/train/0000.parquet`."""
    *folders, name = path.split("/")
    stem = name.removesuffix(_SUFFIX)
    if shard := _SHARD.fullmatch(stem):
        split = shard["split"]
    elif stem.isdigit() and folders and folders[-1] != "data":
        split = folders.pop()
    elif word := next((word for word in re.split(r"[^a-z]+", stem.lower()) if word in _CANONICAL), ""):
        split = _CANONICAL[word]
    elif folders and folders[-1].lower() in _CANONICAL:
        split = _CANONICAL[folders.pop().lower()]
    else:
        split = "train"
    return "/".join(folder for folder in folders if folder != "data") or DEFAULT, split


def matches(path: str, pattern: str) -> bool:
    """Whether a pattern fits a path, folder by folder; `**` stands for any number of folders."""
    parts = pattern.split("/")
    # `fits[n]`: the pattern so far fits the first n folders.
    folders = path.split("/")
    fits = [True] + [False] * len(folders)
    for place, part in enumerate(parts):
        if part == "**":
            is_last = place == len(parts) - 1
            first = next((number for number, fit in enumerate(fits) if fit), len(fits))
            fits = [number >= first + is_last for number in range(len(fits))]
        else:
            fits = [False] + [fit and fnmatchcase(folder, part) for fit, folder in zip(fits, folders, strict=False)]
    return fits[-1]


def _pick_subset(shelf: Shelf, source: HubSource) -> str:
    if source.subset is not None:
        if source.subset not in shelf:
            raise CannotFetch(
                f"{source.repository} has no subset {source.subset!r} of Parquet files; it has {_listed(shelf)}."
            )
        return source.subset
    if len(shelf) == 1:
        return next(iter(shelf))
    if shelf.get(DEFAULT):
        return DEFAULT
    raise CannotFetch(f"{source.repository} has {len(shelf):,} subsets: {_listed(shelf)}. Say which one.")


def _held_out(splits: Splits, source: HubSource, subset: str) -> Splits:
    found: Splits = {}
    for part in ("validation", "test"):
        names = [name for name in _WORDS[part] if name in splits and name != source.split]
        if names:
            found[part] = splits[names[0]]
    if not found:
        raise CannotFetch(
            f"{_named(source, subset)} has neither validation nor test rows; its splits are {_listed(splits)}. "
            "Leave them out, and the rows are split by shares."
        )
    return found


def _refuse_gaps(source: HubSource, files: Sequence[HubFile]) -> None:
    """Files that count themselves must all be there."""
    groups: dict[tuple[str, str, int], int] = {}
    for file in files:
        folder, _, name = file.path.rpartition("/")
        if shard := _SHARD.fullmatch(name.removesuffix(_SUFFIX)):
            group = (folder, shard["split"], int(shard["count"]))
            groups[group] = groups.get(group, 0) + 1
    for (_, split, count), found in groups.items():
        if found < count:
            raise CannotFetch(f"{source.repository} lacks files of {split!r}: {found:,} of {count:,} are there.")


def _named(source: HubSource, subset: str) -> str:
    return source.repository if subset == DEFAULT else f"{source.repository} ({subset})"


def _listed(names: Iterable[str]) -> str:
    found = sorted(names)
    more = f" and {len(found) - _SHOWN:,} more" if len(found) > _SHOWN else ""
    return ", ".join(found[:_SHOWN]) + more


def _ending(path: str) -> str:
    name = path.rpartition("/")[2]
    return f".{name.rpartition('.')[2][:12]}" if "." in name else "without an ending"
