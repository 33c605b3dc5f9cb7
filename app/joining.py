"""Several uploaded files become one: lines of JSON after each other, tables of the same columns below each other."""

from collections.abc import Callable
from dataclasses import replace

from studio.datasets import ReceivedUpload, Receiver
from studio.errors import InvalidInput
from studio.formats import shown

FILE_FIELD = "file"
# Kinds whose files can be put behind each other; of tables, the header of the later ones is left out.
_LINES = (".jsonl", ".ndjson")
_TABLES = (".csv", ".tsv")
_HEADER_BYTES = 1 << 20
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_MORE_KINDS = (
    "Several files at once are JSON Lines, or CSV or TSV with the same columns, all of one kind and not packed. "
    "Upload the others one by one."
)


class JoinedFiles:
    """Writes one file after another to one receiver; a single file passes as it is, whatever its kind."""

    def __init__(self, open_receiver: Callable[[str], Receiver]) -> None:
        self._open_receiver = open_receiver
        self._receiver: Receiver | None = None
        self._names: list[str] = []
        self._last_byte = b"\n"
        self._header: bytes | None = None
        self._beginning = bytearray()
        self._begins = False

    @property
    def is_empty(self) -> bool:
        """Whether there was no file yet."""
        return self._receiver is None

    def begin(self, name: str) -> None:
        """The next file begins; raises InvalidInput for one that cannot follow."""
        self._end_file()
        self._names.append(name)
        self._begins, self._beginning = True, bytearray()
        if self._receiver is None:
            self._receiver = self._open_receiver(name)
        elif _ending(name) != _ending(self._names[0]) or _ending(name) not in _LINES + _TABLES:
            raise InvalidInput(_MORE_KINDS, fields={FILE_FIELD: _MORE_KINDS})

    def write(self, piece: bytes) -> None:
        """A piece of the present file."""
        if not self._begins:
            self._put(piece)
            return
        self._beginning += piece
        if b"\n" in self._beginning or len(self._beginning) > _HEADER_BYTES:
            self._end_beginning()

    def finish(self) -> ReceivedUpload:
        """The one file that they are now."""
        self._end_file()
        assert self._receiver is not None
        upload = self._receiver.finish()
        if len(self._names) == 1:
            return upload
        ending = _ending(self._names[0])
        stem = upload.file_name[: -len(ending)]
        return replace(upload, file_name=f"{stem} and {len(self._names) - 1} more{ending}")

    def _end_file(self) -> None:
        if self._begins:
            self._end_beginning()

    def _end_beginning(self) -> None:
        """The first line is there: of a later table it is its header, which has to be that of the first one."""
        self._begins = False
        beginning = bytes(self._beginning)
        line, mark, rest = beginning.removeprefix(_BYTE_ORDER_MARK).partition(b"\n")
        is_table = _ending(self._names[-1]) in _TABLES
        if len(self._names) == 1:
            self._header = line.rstrip(b"\r") if is_table else None
            self._put(beginning)
            return
        if is_table and line.rstrip(b"\r") != self._header:
            sentence = f"{shown(self._names[-1])} has other columns than {shown(self._names[0])}. Upload it by itself."
            raise InvalidInput(sentence, fields={FILE_FIELD: sentence})
        if self._last_byte != b"\n":
            self._put(b"\n")
        self._put(rest if is_table else line + mark + rest)

    def _put(self, piece: bytes) -> None:
        assert self._receiver is not None
        if piece:
            self._last_byte = piece[-1:]
            self._receiver.write(piece)


def _ending(name: str) -> str:
    return "." + name.rpartition(".")[2].lower() if "." in name else ""
