"""Runs: their spec, their life and what they measured."""

from studio.runs.events import Event, event_line, parse_event
from studio.runs.folders import attempt_folder, read_log, remove_checkpoints
from studio.runs.lease import (
    LEASE_SECONDS,
    MAX_ATTEMPTS,
    Lease,
    LeaseLost,
    add_event,
    claim_next,
    end,
    fence,
    hand_back,
    read_desire,
    reap,
    renew,
)
from studio.runs.lifecycle import (
    active_runs,
    cancel,
    count_by_dataset,
    get_run,
    launch,
    list_runs,
    preview,
    queue_position,
    read_answers,
    read_events,
    rename,
)
from studio.runs.models import Point, Run, RunEvent, SampleAnswer
from studio.runs.plan import Plan, make_plan
from studio.runs.recipes import RECIPES, Recipe, get_recipe
from studio.runs.recorder import record
from studio.runs.series import MAX_POINTS, SeriesPoint, measured_attempt, read_series, series_names
from studio.runs.spec import RunSpec, errors_by_field, spec_from_yaml, validate_spec
from studio.runs.status import ACTIVE, TERMINAL

__all__ = [
    "ACTIVE",
    "LEASE_SECONDS",
    "MAX_ATTEMPTS",
    "MAX_POINTS",
    "RECIPES",
    "TERMINAL",
    "Event",
    "Lease",
    "LeaseLost",
    "Plan",
    "Point",
    "Recipe",
    "Run",
    "RunEvent",
    "RunSpec",
    "SampleAnswer",
    "SeriesPoint",
    "active_runs",
    "add_event",
    "attempt_folder",
    "cancel",
    "claim_next",
    "count_by_dataset",
    "end",
    "errors_by_field",
    "event_line",
    "fence",
    "get_recipe",
    "get_run",
    "hand_back",
    "launch",
    "list_runs",
    "make_plan",
    "measured_attempt",
    "parse_event",
    "preview",
    "queue_position",
    "read_answers",
    "read_desire",
    "read_events",
    "read_log",
    "read_series",
    "reap",
    "record",
    "remove_checkpoints",
    "rename",
    "renew",
    "series_names",
    "spec_from_yaml",
    "validate_spec",
]
