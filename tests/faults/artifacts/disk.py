"""A model of a disk that loses its power: what was not synced may be there, be gone, or be there in part.

Directories are inodes like files: an entry is safe once its directory was synced, content once its file was.
"""

from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Literal

# What a power cut leaves of what was not synced: all of it, none of it, the names without the content (a journal
# writes names before content), or the names and half of the content.
Loss = Literal["nothing", "everything", "content", "half"]
LOSSES: tuple[Loss, ...] = ("nothing", "everything", "content", "half")


@dataclass(slots=True)
class File:
    """Content as programs see it, and how it was at its last sync."""

    content: bytearray = field(default_factory=bytearray)
    synced: bytes = b""

    def after(self, loss: Loss) -> bytes:
        if loss == "nothing":
            return bytes(self.content)
        if loss == "half" and len(self.content) > len(self.synced):
            return bytes(self.content[: (len(self.content) + len(self.synced)) // 2])
        return self.synced


@dataclass(slots=True)
class Folder:
    """Entries as programs see them, and how they were at the last sync."""

    entries: dict[str, "File | Folder"] = field(default_factory=dict)
    synced: dict[str, "File | Folder"] = field(default_factory=dict)

    def after(self, loss: Loss) -> "dict[str, File | Folder]":
        return self.synced if loss == "everything" else self.entries


class Disk:
    """Applies recorded operations and writes out what would be found after a power cut."""

    def __init__(self) -> None:
        self.root = Folder()

    def find(self, path: PurePath) -> File | Folder:
        node: File | Folder = self.root
        for part in path.parts:
            assert isinstance(node, Folder)
            node = node.entries[part]
        return node

    def folder(self, path: PurePath) -> Folder:
        found = self.find(path)
        assert isinstance(found, Folder)
        return found

    def make_folder(self, path: PurePath) -> None:
        self.folder(path.parent).entries[path.name] = Folder()

    def create(self, path: PurePath) -> None:
        entries = self.folder(path.parent).entries
        assert path.name not in entries, f"{path} is written over, which no save does"
        entries[path.name] = File()

    def write(self, path: PurePath, content: bytes) -> None:
        found = self.find(path)
        assert isinstance(found, File)
        found.content += content

    def sync(self, path: PurePath) -> None:
        found = self.find(path)
        if isinstance(found, File):
            found.synced = bytes(found.content)
        else:
            found.synced = dict(found.entries)

    def rename(self, path: PurePath, target: PurePath) -> None:
        self.folder(target.parent).entries[target.name] = self.folder(path.parent).entries.pop(path.name)

    def remove(self, path: PurePath) -> None:
        del self.folder(path.parent).entries[path.name]

    def write_out(self, target: Path, loss: Loss) -> None:
        """Make on a real disk what a fresh start would find."""
        _write_out(self.root, target, loss)


def _write_out(folder: Folder, target: Path, loss: Loss) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for name, node in folder.after(loss).items():
        if isinstance(node, Folder):
            _write_out(node, target / name, loss)
        else:
            (target / name).write_bytes(node.after(loss))
