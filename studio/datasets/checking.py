"""Turn the report of the checking child into an answer or an error."""

from collections.abc import Mapping, Sequence
from typing import Any

from studio.errors import InvalidInput, StorageFull, StudioError, TooLarge, UnsupportedFile
from studio.formats import TARGETS, ImportLimits
from studio.formats.asking import ask_child
from studio.formats.report import Report, Request


class MappingNeeded(InvalidInput):
    """The columns are not known by name; `columns` holds each with up to three values, `targets` the choices.

    `samples` holds the first rows, shortened, for `map_samples`.
    """

    code = "mapping_needed"

    def __init__(
        self,
        message: str,
        *,
        columns: Mapping[str, list[str]],
        targets: tuple[str, ...],
        samples: Sequence[dict[str, Any]] = (),
    ) -> None:
        super().__init__(message, fields={"mapping": message})
        self.columns = dict(columns)
        self.targets = targets
        self.samples = list(samples)


class RowsRefused(InvalidInput):
    """Rows have problems; `good_rows` could be imported without them, 0 if those are too few."""

    def __init__(self, message: str, *, problems: Sequence[str], good_rows: int) -> None:
        super().__init__(message, problems=problems)
        self.good_rows = good_rows


def checked(request: Request, file_name: str) -> Report:
    """Check a file in a child process; raises InvalidInput, UnsupportedFile, TooLarge or StorageFull."""
    report = ask_child(request)
    if (error := refusal(report, file_name, request.limits)) is not None:
        raise error
    return report


def refusal(report: Report, file_name: str, limits: ImportLimits = ImportLimits()) -> StudioError | None:
    """Why a file was not accepted, in the words for its sender; None for one that was."""
    match report.outcome:
        case "accepted":
            return None
        case "unsupported":
            return UnsupportedFile(f"{file_name}: {report.message}", problems=[report.message])
        case "too_large":
            return TooLarge(f"{file_name}: {report.message}")
        case "disk_full":
            return StorageFull("The disk is full. Free some space in the data folder and try again.")
        case "given_up":
            return InvalidInput(f"{file_name} was not imported. {report.message}", problems=[report.message])
        case "needs_mapping":
            return _mapping_needed(report)
        case "wrong_mapping":
            return InvalidInput(report.message, fields=report.fields)
        case "invalid":
            return _invalid(report, limits, file_name)


def _mapping_needed(report: Report) -> MappingNeeded:
    names = ", ".join(report.columns)
    message = f"Say which column holds what: the columns are {names}."
    return MappingNeeded(message, columns=report.columns, targets=TARGETS, samples=report.samples)


def _invalid(report: Report, limits: ImportLimits, file_name: str) -> InvalidInput:
    message = f"{file_name} was not imported: {_counted(report, limits)}. {report.problems[0]}"
    if report.good_rows:
        message += f". The other {report.good_rows:,} rows are fine and can be imported alone (leave_out)."
    return RowsRefused(message, problems=report.problems, good_rows=report.good_rows)


def _counted(report: Report, limits: ImportLimits) -> str:
    count = report.problem_count
    if count >= limits.problems_counted:
        return f"{count:,} problems or more"
    return "1 problem" if count == 1 else f"{count:,} problems"
