"""Files that must be refused with a place and a reason, and files that must be read; the same ones on every machine."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BadFile:
    """A file, the status of its refusal, and parts of what is told: the place and the reason."""

    label: str
    name: str
    content: bytes
    says: tuple[str, ...]
    status: int = 422


@dataclass(frozen=True, slots=True)
class GoodFile:
    """A file and the canonical rows that it stands for."""

    label: str
    name: str
    content: bytes
    rows: bytes


def bad_files() -> list[BadFile]:
    """More than 300: broken containers, broken JSON, and rows that cannot be used."""
    from tests.formats.corpus_containers import broken_containers, broken_tables
    from tests.formats.corpus_rows import broken_json, broken_rows, mixed_shapes

    return [*broken_containers(), *broken_tables(), *broken_json(), *broken_rows(), *mixed_shapes()]


def good_files() -> list[GoodFile]:
    """More than 100: every shape in every container."""
    from tests.formats.corpus_good import tables, wrapped_rows

    return [*wrapped_rows(), *tables()]
