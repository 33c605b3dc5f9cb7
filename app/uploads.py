"""Uploads: a body goes straight to disk piece by piece, never as a whole into memory or a second temporary file."""

from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request
from pydantic import BaseModel, ConfigDict, Json, ValidationError
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool

from app.deps import CurrentServices
from app.joining import FILE_FIELD, JoinedFiles
from studio.datasets import ReceivedUpload, Receiver, Split
from studio.errors import InvalidInput
from studio.runs import errors_by_field
from studio.settings import Settings

# Rows typed into the form: they are a file whose kind is told by its first characters.
PASTE_FIELD = "pasted"
MAX_FIELDS = 40
MAX_FIELD_BYTES = 64 * 1024
MAX_PART_HEADERS_BYTES = 8 * 1024
# One hop to a thread per MiB; uvicorn delivers 64 KiB at a time.
_BATCH_BYTES = 1 << 20
_NO_FILE = "Choose a file to upload, or paste rows."
_TWO_SOURCES = "Either upload a file or paste rows, not both."

Model = TypeVar("Model", bound=BaseModel)


class ImportOptions(BaseModel):
    """What may be said beside the file; what is empty is left to the studio."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str | None = None
    mapping: Json[dict[str, str]] | None = None
    leave_out: bool = False
    validation_fraction: float | None = None
    test_fraction: float | None = None
    seed: int | None = None

    @property
    def split(self) -> Split | None:
        """The split that was asked for; raises InvalidInput."""
        given = self.model_dump(include={"validation_fraction", "test_fraction", "seed"}, exclude_none=True)
        return _validated(Split, given) if given else None


@dataclass(frozen=True, slots=True)
class ReceivedForm:
    """A received file and the fields that came with it."""

    upload: ReceivedUpload
    fields: dict[str, str]

    @property
    def options(self) -> ImportOptions:
        """The fields, checked; raises InvalidInput."""
        return _validated(ImportOptions, {name: text for name, text in self.fields.items() if text.strip()})


async def receive_upload(request: Request, settings: Settings) -> tuple[ReceivedUpload, dict[str, str]]:
    """Receive `multipart/form-data` with a file in the field `file`, or several of one kind.

    Whoever takes the upload removes it; an upload that breaks off, falls silent or is refused leaves nothing.
    Raises InvalidInput, TooLarge, StorageFull, and ClientDisconnect when the sender goes.
    """
    content_type, options = parse_options_header(request.headers.get("content-type", ""))
    if content_type != b"multipart/form-data" or not options.get(b"boundary"):
        raise InvalidInput("Send the file as multipart/form-data.", fields={FILE_FIELD: _NO_FILE})
    with ExitStack() as cleanup:
        form = _Form(settings, cleanup)
        parser = MultipartParser(options[b"boundary"], form.callbacks(), max_header_size=MAX_PART_HEADERS_BYTES)
        async for batch in _batches(request):
            await run_in_threadpool(_parse, parser, batch)
        return await run_in_threadpool(form.finish, parser)


async def receive_body(request: Request, settings: Settings, file_name: str) -> ReceivedUpload:
    """Receive a file that is the whole body; the same promises as `receive_upload`."""
    with Receiver(settings.uploads_dir, file_name, settings.upload_limit_bytes) as receiver:
        async for batch in _batches(request):
            await run_in_threadpool(receiver.write, batch)
        return await run_in_threadpool(receiver.finish)


async def received_form(request: Request, services: CurrentServices) -> AsyncIterator[ReceivedForm]:
    """Receive before the route runs, and leave no file behind after it."""
    upload, fields = await receive_upload(request, services.settings)
    try:
        yield ReceivedForm(upload, fields)
    finally:
        upload.discard()


async def received_body(request: Request, services: CurrentServices, filename: str) -> AsyncIterator[ReceivedForm]:
    """The same for a file that is the whole body; its fields are in the query."""
    upload = await receive_body(request, services.settings, filename)
    try:
        yield ReceivedForm(upload, {name: text for name, text in request.query_params.items() if name != "filename"})
    finally:
        upload.discard()


UploadedForm = Annotated[ReceivedForm, Depends(received_form, scope="function")]
UploadedBody = Annotated[ReceivedForm, Depends(received_body, scope="function")]


@dataclass(slots=True)
class _Part:
    """The part that is being read."""

    headers: dict[str, bytes] = field(default_factory=dict)
    header_name: bytes = b""
    header_value: bytes = b""
    name: str = ""
    is_file: bool = False
    is_named: bool = False
    is_pasted: bool = False


class _Form:
    """Collects small fields and writes the files, joined to one, as the parser comes upon them."""

    def __init__(self, settings: Settings, cleanup: ExitStack) -> None:
        self._settings = settings
        self._cleanup = cleanup
        self._files = JoinedFiles(self._open)
        self._fields: dict[str, bytes] = {}
        self._part = _Part()
        self._has_pasted = False
        self._ended = False

    def callbacks(self) -> Any:
        """What the parser calls, by its own names."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._header_name,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_end,
            "on_part_data": self._data,
            "on_end": self._end,
        }

    def finish(self, parser: MultipartParser) -> tuple[ReceivedUpload, dict[str, str]]:
        """Give what was collected; raises InvalidInput when the file is missing or the body broke off."""
        _closed(parser)
        if not self._ended:
            raise _unreadable()
        if self._files.is_empty:
            raise InvalidInput(_NO_FILE, fields={FILE_FIELD: _NO_FILE})
        fields = {name: _text(name, value) for name, value in self._fields.items()}
        return self._files.finish(), fields

    def _begin(self) -> None:
        self._part = _Part()

    def _header_name(self, chunk: bytes, start: int, end: int) -> None:
        self._part.header_name += chunk[start:end]

    def _header_value(self, chunk: bytes, start: int, end: int) -> None:
        self._part.header_value += chunk[start:end]

    def _header_end(self) -> None:
        part = self._part
        part.headers[part.header_name.decode("latin-1").lower()] = part.header_value
        part.header_name = part.header_value = b""

    def _headers_end(self) -> None:
        _, options = parse_options_header(self._part.headers.get("content-disposition", b""))
        self._part.name = options.get(b"name", b"").decode("utf-8", "replace")
        file_name = options.get(b"filename")
        if file_name is not None:
            self._begin_file(file_name)
        elif self._part.name == PASTE_FIELD:
            self._part.is_pasted = True
        elif len(self._fields) >= MAX_FIELDS:
            raise InvalidInput(f"A form has at most {MAX_FIELDS} fields.")
        else:
            self._fields[self._part.name] = b""

    def _begin_file(self, file_name: bytes) -> None:
        self._part.is_file = True
        if not file_name:
            # A browser sends an empty name when no file was chosen.
            return
        if self._part.name != FILE_FIELD or self._has_pasted:
            sentence = _TWO_SOURCES if self._has_pasted else "Send files in the field `file`."
            raise InvalidInput(sentence, fields={FILE_FIELD: sentence})
        self._part.is_named = True
        # Browsers write a quote in a name as %22, and nothing else so.
        self._files.begin(file_name.decode("utf-8", "replace").replace("%22", '"'))

    def _open(self, name: str) -> Receiver:
        receiver = Receiver(self._settings.uploads_dir, name, self._settings.upload_limit_bytes)
        return self._cleanup.enter_context(receiver)

    def _paste(self, piece: bytes) -> None:
        """An empty field is none; the first characters of another one tell what it is."""
        if not self._has_pasted:
            piece = piece.lstrip()
            if not piece:
                return
            if not self._files.is_empty:
                raise InvalidInput(_TWO_SOURCES, fields={PASTE_FIELD: _TWO_SOURCES})
            self._files.begin(_pasted_name(piece))
            self._has_pasted = True
        self._files.write(piece)

    def _data(self, chunk: bytes, start: int, end: int) -> None:
        if self._part.is_file:
            if self._part.is_named:
                self._files.write(chunk[start:end])
            return
        if self._part.is_pasted:
            self._paste(chunk[start:end])
            return
        value = self._fields[self._part.name] + chunk[start:end]
        if len(value) > MAX_FIELD_BYTES:
            sentence = f"This field takes at most {MAX_FIELD_BYTES:,} bytes."
            raise InvalidInput(sentence, fields={self._part.name: sentence})
        self._fields[self._part.name] = value

    def _end(self) -> None:
        self._ended = True


def _pasted_name(beginning: bytes) -> str:
    """JSON begins with a bracket; of tables, one copied from a spreadsheet has tabs."""
    if beginning[:1] in (b"{", b"["):
        return "pasted.jsonl"
    return "pasted.tsv" if b"\t" in beginning.partition(b"\n")[0] else "pasted.csv"


async def _batches(request: Request) -> AsyncIterator[bytes]:
    pieces = bytearray()
    async for piece in request.stream():
        pieces += piece
        if len(pieces) >= _BATCH_BYTES:
            yield bytes(pieces)
            pieces.clear()
    if pieces:
        yield bytes(pieces)


def _parse(parser: MultipartParser, batch: bytes) -> None:
    try:
        parser.write(batch)
    except MultipartParseError as error:
        raise _unreadable() from error


def _closed(parser: MultipartParser) -> None:
    try:
        parser.finalize()
    except MultipartParseError as error:
        raise _unreadable() from error


def _unreadable() -> InvalidInput:
    sentence = "The form broke off or is not multipart/form-data. Send the file again."
    return InvalidInput(sentence, fields={FILE_FIELD: sentence})


def _text(name: str, value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput("A field is not UTF-8.", fields={name: "This field is not UTF-8."}) from error


def _validated(model: type[Model], plain: dict[str, Any]) -> Model:
    try:
        return model.model_validate(plain)
    except ValidationError as error:
        raise InvalidInput("Some settings need another look.", fields=errors_by_field(error)) from error
