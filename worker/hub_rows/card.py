"""What a dataset's card says about its files and its licence: the YAML head of README.md, written by a stranger."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

CARD_BYTES = 1 << 20
_HEAD_CHARACTERS = 1 << 18
_NAME_CHARACTERS = 100
_PATTERNS = 1000
_PATTERN_CHARACTERS = 300
_LARGEST_NUMBER = 1e15
# What the loader raises, beside its own errors, for values that are not of the type that their tag names.
_NOT_READ = (yaml.YAMLError, RecursionError, ValueError, LookupError, AttributeError, ArithmeticError)


@dataclass(frozen=True, slots=True)
class Subset:
    """A named part of a dataset: patterns of paths for each split, or all files below a folder."""

    name: str
    splits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    folder: str = ""
    is_default: bool = False


@dataclass(frozen=True, slots=True)
class Card:
    """An absent or unreadable card says nothing."""

    subsets: tuple[Subset, ...] = ()
    licence: str | None = None


def read_card(content: bytes) -> Card:
    """Read the head of a card; what is not understood in it is passed over."""
    head = _head(content)
    configs = head.get("configs")
    subsets = [_subset(config) for config in configs if isinstance(config, dict)] if isinstance(configs, list) else []
    return Card(subsets=tuple(subsets), licence=_licence(head))


class _NoAliases(yaml.SafeLoader):
    """Without aliases a short text cannot stand for an endless value."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not read")
        return super().compose_node(parent, index)


def _head(content: bytes) -> dict[str, Any]:
    text = content[:CARD_BYTES].decode("utf-8", "replace").removeprefix("\ufeff").replace("\r\n", "\n")
    begin, mark, rest = text.partition("---\n")
    head, end, _ = rest.partition("\n---")
    if begin.strip() or not mark or not end or len(head) > _HEAD_CHARACTERS:
        return {}
    try:
        # A SafeLoader in all but name.
        found = yaml.load(head, _NoAliases)  # noqa: S506
    except _NOT_READ:
        return {}
    return found if isinstance(found, dict) else {}


def _subset(config: Mapping[str, Any]) -> Subset:
    folder = config.get("data_dir")
    return Subset(
        name=_name(config.get("config_name")) or "default",
        splits=_splits(config.get("data_files")),
        folder=folder.removeprefix(".").strip("/") if isinstance(folder, str) else "",
        is_default=config.get("default") is True,
    )


def _splits(data_files: Any) -> dict[str, tuple[str, ...]]:
    """Patterns by split, in each of the four ways in which a card may write them."""
    found: dict[str, tuple[str, ...]] = {}
    for split, paths in _pairs(data_files):
        patterns = [paths] if isinstance(paths, str) else paths if isinstance(paths, list) else []
        plain = [path for path in patterns[:_PATTERNS] if isinstance(path, str) and len(path) <= _PATTERN_CHARACTERS]
        found[split] = (*found.get(split, ()), *plain)
    return found


def _pairs(data_files: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(data_files, str):
        yield "train", data_files
    elif isinstance(data_files, dict):
        yield from ((_name(split), paths) for split, paths in data_files.items() if _name(split))
    elif isinstance(data_files, list):
        for one in data_files[:_PATTERNS]:
            if isinstance(one, dict):
                yield _name(one.get("split")) or "train", one.get("path")
            else:
                yield "train", one


def _licence(head: Mapping[str, Any]) -> str | None:
    """Such as `apache-2.0`; one of its own is called by its name."""
    given = head.get("license_name") if head.get("license") == "other" else None
    given = given or head.get("license")
    names = given if isinstance(given, list) else [given]
    return ", ".join(filter(None, map(_name, names[:5]))) or None


def _name(value: Any) -> str:
    is_number = isinstance(value, int | float) and abs(value) < _LARGEST_NUMBER
    text = value if isinstance(value, str) else str(value) if is_number else ""
    return "".join(mark for mark in text.strip() if mark.isprintable())[:_NAME_CHARACTERS]
