"""What a trial run tells: its report for a person, and what later estimates learn from it."""

import statistics
from collections.abc import Sequence
from typing import Any

import torch

from studio.budget import trials
from studio.budget.trials import Measured
from studio.runs import Plan
from worker.assemble import Attempt
from worker.assignment import Assignment
from worker.hardware import peak_memory_bytes
from worker.machine import machine_memory_bytes
from worker.prepared import RunRows


def told_of_steps(attempt: Attempt, rows: RunRows, measured: Measured) -> dict[str, Any]:
    """The report behind the training steps."""
    longest, ordinary = (measured.of(kind) for kind in ("longest", "ordinary"))
    hardware = attempt.hardware
    return {
        "device": hardware.device_name,
        "on_gpu": hardware.on_gpu,
        "memory_bytes": int(torch.cuda.mem_get_info()[1]) if hardware.on_gpu else machine_memory_bytes(),
        "longest_steps": len(longest),
        "longest_tokens": int(rows.lengths.max()),
        "longest_step_seconds": round(max((step.seconds for step in longest[1:] or longest), default=0.0), 4),
        "ordinary_steps": len(ordinary),
        "step_seconds": round(trials.step_seconds(measured), 4),
        "tokens_per_second": _rate(ordinary or longest),
        "peak_memory_bytes": peak_memory_bytes(hardware),
        "problems": [],
    }


def learned(attempt: Attempt, rows: RunRows, measured: Measured) -> dict[str, Any]:
    """What later estimates learn from, in the words of a run that trained: of the ordinary steps alone."""
    ordinary = measured.of("ordinary") or measured.steps
    seconds = [step.seconds for step in ordinary] or [0.0]
    told = attempt.measured(rows)
    preparing = told["seconds"].get("preparing_data", 0.0)
    pace = {
        "steps": len(ordinary),
        "step_seconds": round(statistics.median(seconds), 6),
        "mean_step_seconds": round(statistics.fmean(seconds), 6),
        "first_step_seconds": round(seconds[0] + trials.warm_up_seconds(measured), 6),
        "padded_tokens_per_step": statistics.fmean([step.padded_tokens for step in ordinary] or [0]),
        "start_seconds": round(max(0.0, measured.starting - preparing), 3),
    }
    phases = {"evaluating": round(measured.evaluation + measured.answers, 3)}
    return told | {"pace": pace, "seconds": told["seconds"] | phases}


def seconds_each(measured: Measured) -> dict[str, Any]:
    """One of each other part."""
    parts = {"validation": measured.evaluation, "answers": measured.answers, "checkpoint": measured.checkpoint}
    found = {part: round(seconds, 6) for part, seconds in parts.items() if seconds}
    return {"seconds_each": found, "times": dict.fromkeys(found, 1)}


def forecast_of(assignment: Assignment, plan: Plan, measured: Measured) -> dict[str, Any]:
    """The report's forecast of the full run; nothing where no step was measured."""
    if not measured.steps:
        return {}
    found = trials.forecast(
        measured,
        plan,
        checkpoint_steps=assignment.checkpoint_steps,
        checkpoint_seconds=assignment.checkpoint_seconds,
    )
    return {"forecast": found.as_json(), "dollars_per_hour": assignment.dollars_per_hour, "steps": plan.steps}


def _rate(steps: Sequence[trials.StepTime]) -> float:
    seconds = sum(step.seconds for step in steps)
    return round(sum(step.padded_tokens for step in steps) / seconds, 1) if seconds else 0.0
