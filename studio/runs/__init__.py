"""Runs: their spec, their life and what they measured."""

from studio.runs.actions import Action, allowed_actions, cancel, pause, resume
from studio.runs.continuing import keep, retry, run_again
from studio.runs.disk import needed_bytes
from studio.runs.events import Event, event_line, parse_event
from studio.runs.folders import attempt_folder, checkpoint_folder, read_log, remove_checkpoints
from studio.runs.following import MAX_POINTS_AT_ONCE, NewPoint, Standing, read_new_points, read_standing
from studio.runs.lease import (
    LeaseLost,
    add_event,
    claim,
    claim_next,
    committed_checkpoint,
    end,
    fall_back,
    fence,
    hand_back,
    read_desire,
    reap,
    renew,
    retry_or_give_up,
    take_due,
)
from studio.runs.lifecycle import (
    active_runs,
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
from studio.runs.manifest import Damaged, publish_folder, verify_folder
from studio.runs.models import Checkpoint, Point, Run, RunEvent, SampleAnswer, Worker
from studio.runs.plan import Plan, make_plan
from studio.runs.protocol import LEASE_SECONDS, MAX_IDLE_ATTEMPTS, RULES, GiveUp, Holder, Lease, Retry, Rules, Verdict
from studio.runs.recipes import RECIPES, Recipe, get_recipe
from studio.runs.recorder import record
from studio.runs.retention import expire_checkpoints, prune_checkpoints
from studio.runs.series import MAX_POINTS, SeriesPoint, read_series, series_names
from studio.runs.spec import RunSpec, errors_by_field, spec_from_yaml, validate_spec
from studio.runs.status import ACTIVE, TERMINAL
from studio.runs.suggestions import Suggestion, suggestions_for
from studio.runs.workers import living_workers

__all__ = [
    "ACTIVE",
    "LEASE_SECONDS",
    "MAX_IDLE_ATTEMPTS",
    "MAX_POINTS",
    "MAX_POINTS_AT_ONCE",
    "RECIPES",
    "RULES",
    "TERMINAL",
    "Action",
    "Checkpoint",
    "Damaged",
    "Event",
    "GiveUp",
    "Holder",
    "Lease",
    "LeaseLost",
    "NewPoint",
    "Plan",
    "Point",
    "Recipe",
    "Retry",
    "Rules",
    "Run",
    "RunEvent",
    "RunSpec",
    "SampleAnswer",
    "SeriesPoint",
    "Suggestion",
    "Standing",
    "Verdict",
    "Worker",
    "active_runs",
    "add_event",
    "allowed_actions",
    "attempt_folder",
    "cancel",
    "checkpoint_folder",
    "claim",
    "claim_next",
    "committed_checkpoint",
    "count_by_dataset",
    "end",
    "errors_by_field",
    "event_line",
    "expire_checkpoints",
    "fall_back",
    "fence",
    "get_recipe",
    "get_run",
    "hand_back",
    "keep",
    "launch",
    "list_runs",
    "living_workers",
    "make_plan",
    "needed_bytes",
    "parse_event",
    "pause",
    "preview",
    "prune_checkpoints",
    "publish_folder",
    "queue_position",
    "read_answers",
    "read_desire",
    "read_events",
    "read_log",
    "read_new_points",
    "read_series",
    "read_standing",
    "reap",
    "record",
    "remove_checkpoints",
    "rename",
    "renew",
    "resume",
    "retry",
    "retry_or_give_up",
    "run_again",
    "series_names",
    "spec_from_yaml",
    "suggestions_for",
    "take_due",
    "validate_spec",
    "verify_folder",
]
