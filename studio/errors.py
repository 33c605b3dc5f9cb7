"""One tree of errors; each carries the HTTP status it means and a sentence that a person can act on."""

from collections.abc import Mapping, Sequence


class StudioError(Exception):
    """A refusal or failure that is shown to a person: what is wrong, where, what to do."""

    status_code = 500
    code = "internal"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidInput(StudioError):
    """What was sent cannot be used; `fields` names each field (dotted path) with its sentence."""

    status_code = 422
    code = "invalid"

    def __init__(self, message: str, *, fields: Mapping[str, str] | None = None, problems: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.fields = dict(fields or {})
        self.problems = list(problems)


class UnsupportedFile(InvalidInput):
    """The file is of a kind that is not read here."""

    status_code = 415
    code = "unsupported_file"


class TooLarge(StudioError):
    """The body is over its limit."""

    status_code = 413
    code = "too_large"


class NotFound(StudioError):
    """Absent, or not yours: the two are not told apart."""

    status_code = 404
    code = "not_found"


class Conflict(StudioError):
    """Not possible in this state."""

    status_code = 409
    code = "conflict"


class Forbidden(StudioError):
    """Refused whoever asks: a foreign origin, a foreign host."""

    status_code = 403
    code = "forbidden"


class StorageFull(StudioError):
    """The disk has no room left."""

    status_code = 507
    code = "disk_full"


class Unavailable(StudioError):
    """A part that is needed does not answer at the moment."""

    status_code = 503
    code = "unavailable"


class StartupError(StudioError):
    """The studio cannot start; the command line prints the sentence and exits with 1."""

    code = "startup"
