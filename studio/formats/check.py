"""The one pass over a file: recognise, canonicalise, count, and collect what is wrong."""

from collections.abc import Iterator
from itertools import chain, islice

from studio.formats.columns import Plan, mapped_plan, plan_for, system_beside
from studio.formats.fields import FieldKeeper
from studio.formats.opening import open_lines, open_table
from studio.formats.problems import (
    FileProblem,
    MappingFault,
    NeedsMapping,
    OverLimit,
    RowProblem,
    UnreadableKind,
    shown,
)
from studio.formats.reading import RowReader
from studio.formats.report import Report, Request
from studio.formats.samples import sample_rows
from studio.formats.strict_json import json_reader
from studio.formats.tables import RawRow, Table
from studio.formats.telling import Tell, say_nothing
from studio.formats.values import Row

_HEAD_ROWS = 20
_VALUES = 3


def check_file(request: Request, tell: Tell = say_nothing) -> Report:
    """Read the whole file and write its canonical rows; the answer says what was wrong."""
    try:
        return _checked(request, tell)
    except UnreadableKind as refusal:
        return Report(outcome="unsupported", message=str(refusal))
    except OverLimit as refusal:
        return Report(outcome="too_large", message=str(refusal))
    except NeedsMapping as question:
        columns, samples = question.columns, question.samples
        return Report(outcome="needs_mapping", message=str(question), columns=columns, samples=samples)
    except MappingFault as fault:
        return Report(outcome="wrong_mapping", message=str(fault), fields=fault.fields)
    except FileProblem as problem:
        return Report(outcome="invalid", problems=[str(problem)], problem_count=1)


def _checked(request: Request, tell: Tell) -> Report:
    table = open_table(request, tell)
    head, rows = _peek(table.rows)
    if not head:
        next(rows, None)  # tells of the file problem that ended the head, if one did
        return Report(outcome="invalid", problems=[_no_rows(table)], problem_count=1)
    decodable = _decodable(table, head)
    plan = _plan(request, table, decodable)
    reader = RowReader(request, table, plan)
    for name, kind in table.unread:
        reader.facts.leave_out(f"{shown(name)} ({shown(kind)})")
    with reader.files:
        if plan is not None and (blocks := open_lines(request, tell)):
            reader.read_blocks(blocks, decodable)
        else:
            reader.read_rows(rows)
    return reader.report()


def _plan(request: Request, table: Table, head: list[Row]) -> Plan | None:
    """Decide from the first rows what the columns mean; None if not one of them can be read."""
    candidates = [table.columns] if table.columns is not None else [tuple(row) for row in head]
    if not any(candidates):
        return None
    read_json = json_reader(request.limits)
    fields = FieldKeeper() if request.keep_fields else None
    names = {name for candidate in candidates for name in candidate}
    if request.mapping:
        return mapped_plan(request.mapping, names, read_json, fields)
    if request.mapping is not None:
        raise NeedsMapping(_columns(head), sample_rows(head))
    system = {name for candidate in candidates for name in system_beside(candidate)}
    plans = (plan_for((*candidate, *system.difference(candidate)), read_json, fields) for candidate in candidates)
    if plan := next(filter(None, plans), None):
        return plan
    raise NeedsMapping(_columns(head), sample_rows(head))


def _peek(rows: Iterator[RawRow]) -> tuple[list[RawRow], Iterator[RawRow]]:
    """Look at the first rows; a file problem among them is raised again after the rows before it."""
    head: list[RawRow] = []
    try:
        head.extend(islice(rows, _HEAD_ROWS))
    except (OverLimit, UnreadableKind):
        raise
    except FileProblem as problem:
        return head, chain(head, _failing(problem))
    return head, chain(head, rows)


def _failing(problem: FileProblem) -> Iterator[RawRow]:
    raise problem
    yield


def _decodable(table: Table, head: list[RawRow]) -> list[Row]:
    rows = []
    for raw in head:
        try:
            rows.append(table.decode(raw.raw))
        except RowProblem:
            continue
    return rows


def _columns(head: list[Row]) -> dict[str, list[str]]:
    """The columns of the first rows, each with up to three values."""
    columns: dict[str, list[str]] = {}
    for row in head:
        for name, value in row.items():
            values = columns.setdefault(name, [])
            if len(values) < _VALUES and value not in (None, ""):
                values.append(shown(value if isinstance(value, str) else str(value)))
    unshowable = next((name for name in columns if shown(name, len(name)) != name), None)
    if unshowable is not None:
        raise FileProblem(f"The column name '{shown(unshowable)}' holds a character that cannot be shown; rename it.")
    return columns


def _no_rows(table: Table) -> str:
    if table.unread and not table.columns:
        return "No column of the file can be read: " + ", ".join(f"{name} is {kind}" for name, kind in table.unread)
    return "The file has a header, but no rows." if table.columns else "The file is empty: it has no rows."
