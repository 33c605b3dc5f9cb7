"""Records what a program does to the files below a folder, operation by operation, while it really does it."""

import builtins
import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import pytest

from tests.faults.artifacts.disk import Disk


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation; `apply` repeats it on the model. `mark` is a commit of the database instead."""

    name: str
    path: PurePath
    apply: Callable[[Disk], None]
    mark: Path | None = None


class Recording:
    """Stands before the functions of os and io until the test ends."""

    def __init__(self, root: Path, patch: pytest.MonkeyPatch) -> None:
        self.operations: list[Operation] = []
        self._root = root
        self._paths: dict[int, Path] = {}
        self._real_open = io.open
        self._real_os_open = os.open
        for name in ("mkdir", "unlink", "rmdir"):
            patch.setattr(os, name, self._changing(name, getattr(os, name)))
        for name in ("rename", "replace"):
            patch.setattr(os, name, self._renaming(getattr(os, name)))
        patch.setattr(os, "fsync", self._syncing(os.fsync))
        patch.setattr(os, "open", self._os_open)
        patch.setattr(io, "open", self._open)
        patch.setattr(builtins, "open", self._open)

    def mark(self, database: Path) -> None:
        """The database was committed and looks like this copy from now on."""
        self.operations.append(Operation("commit", PurePath(), lambda disk: None, database))

    def written(self, descriptor: int, content: bytes) -> None:
        path = self._within(self._paths[descriptor])
        assert path is not None
        self._add("write", path, lambda disk: disk.write(path, content))

    def _add(self, name: str, path: PurePath, apply: Callable[[Disk], None]) -> None:
        self.operations.append(Operation(name, path, apply))

    def _within(self, path: Path) -> PurePath | None:
        return path.relative_to(self._root) if path.is_relative_to(self._root) else None

    def _path(self, path: Any, dir_fd: int | None) -> Path:
        return self._paths[dir_fd] / path if dir_fd is not None else Path(path).absolute()

    def _changing(self, name: str, real: Callable[..., None]) -> Callable[..., None]:
        def change(path: Any, *rest: Any, dir_fd: int | None = None) -> None:
            where = self._path(path, dir_fd)
            real(path, *rest, **({} if dir_fd is None else {"dir_fd": dir_fd}))
            within = self._within(where)
            if within is not None:
                making = name == "mkdir"
                self._add(name, within, lambda disk: (disk.make_folder if making else disk.remove)(within))

        return change

    def _renaming(self, real: Callable[..., None]) -> Callable[..., None]:
        def rename(source: Any, target: Any) -> None:
            real(source, target)
            a, b = self._within(self._path(source, None)), self._within(self._path(target, None))
            if a is not None and b is not None:
                self._add("rename", b, lambda disk: disk.rename(a, b))

        return rename

    def _syncing(self, real: Callable[[int], None]) -> Callable[[int], None]:
        def sync(descriptor: int) -> None:
            real(descriptor)
            within = self._within(self._paths[descriptor])
            if within is not None:
                self._add("fsync", within, lambda disk: disk.sync(within))

        return sync

    def _os_open(self, path: Any, flags: int, *rest: Any, dir_fd: int | None = None) -> int:
        where = self._path(path, dir_fd)
        descriptor = self._real_os_open(path, flags, *rest, **({} if dir_fd is None else {"dir_fd": dir_fd}))
        self._paths[descriptor] = where
        return descriptor

    def _open(self, file: Any, mode: str = "r", *rest: Any, **options: Any) -> Any:
        stream = self._real_open(file, mode, *rest, **options)
        if isinstance(file, int):
            return stream
        where = self._path(file, None)
        self._paths[stream.fileno()] = where
        within = self._within(where)
        # What is opened to be locked or appended to is no save.
        if within is None or not set(mode) & set("wx"):
            return stream
        self._add("create", within, lambda disk: disk.create(within))
        return _Recorded(stream, self)


class _Recorded:
    """A file that is written: passes on, and tells."""

    def __init__(self, stream: Any, recording: Recording) -> None:
        self._stream = stream
        self._recording = recording

    def write(self, content: Any) -> int:
        count: int = self._stream.write(content)
        self._recording.written(self._stream.fileno(), content.encode() if isinstance(content, str) else bytes(content))
        return count

    def __enter__(self) -> "_Recorded":
        return self

    def __exit__(self, *error: object) -> None:
        self._stream.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
