"""What runs that are over teach: measured beside estimated time and memory, kept for later estimates."""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from studio import base_models
from studio.actors import Actor
from studio.budget.calibration import Measured, ratios_of
from studio.budget.hardware import Hardware, find_hardware
from studio.budget.memory import memory_of
from studio.budget.shapes import shape_of
from studio.budget.time import TIME_VERSION, load_from, parts_of
from studio.db import database_seconds, utc_now
from studio.errors import StudioError
from studio.runs import Measurement, Run, Stint, make_plan
from studio.settings import Settings

log = logging.getLogger(__name__)

_USED = 200
# Of the time before and behind the trainer, what every run spends: a download and a cold worker happen once.
_MOST_BESIDE_SECONDS = 3.0


def measured_on(session: Session, actor: Actor, hardware: Hardware) -> list[Measured]:
    """What the owner's last runs on a kind of hardware have shown, newest first."""
    query = select(Measurement).where(Measurement.owner_id == actor.id, Measurement.hardware == hardware.id)
    found = session.scalars(query.order_by(Measurement.at.desc()).limit(_USED))
    now = utc_now()
    return [_measured(row, now) for row in found if row.facts.get("version") == TIME_VERSION]


def remember(session: Session, run_id: str, settings: Settings) -> Measurement | None:
    """Keep what a run's trainer told in its last words; None where it told nothing, or its hardware is not known.

    To be called in the transaction that ends the run, so that each run counts once.
    """
    run = session.get_one(Run, run_id, populate_existing=True)
    told = run.resolved
    if "pace" not in told or not told["pace"]["steps"]:
        return None
    hardware = _hardware_of(told)
    facts = _facts(run, hardware, told, _held_seconds(session, run), settings) if hardware else None
    if hardware is None or facts is None:
        log.info("%s: its pace teaches nothing, for its hardware or its base model's shape is not known", run.id)
        return None
    kept = session.get(Measurement, run.id) or Measurement(run_id=run.id)
    kept.owner_id, kept.hardware, kept.device = run.owner_id, hardware.id, str(told["device"])[:120]
    kept.model_type, kept.base_model, kept.method = facts.pop("model_type"), run.base_model, run.method
    kept.facts, kept.at = facts, utc_now()
    session.add(kept)
    return kept


def _measured(row: Measurement, now: datetime) -> Measured:
    memory = row.facts["memory"]
    return Measured(
        base_model=row.base_model,
        model_type=row.model_type,
        method=row.method,
        ratios=ratios_of(row.facts["measured"], row.facts["estimated"]),
        memory_ratio=memory["measured"] / memory["estimated"] if memory["measured"] else None,
        age_days=(now - row.at).total_seconds() / 86_400,
        share_at_work=row.facts.get("share_at_work", 1.0),
    )


def _hardware_of(told: Mapping[str, Any]) -> Hardware | None:
    on_gpu = told["device_kind"] == "cuda"
    return find_hardware(str(told["device"]) if on_gpu else "cpu", cores=int(told["threads"]))


def _held_seconds(session: Session, run: Run) -> float | None:
    """How long the last attempt held its hardware, by the database's clock."""
    began = select(database_seconds() - Stint.began).where(Stint.run_id == run.id, Stint.epoch == run.epoch)
    return session.scalar(began)


def _facts(
    run: Run, hardware: Hardware, told: Mapping[str, Any], held: float | None, settings: Settings
) -> dict[str, Any] | None:
    """Measured and estimated side by side; None where the base model's shape is not known."""
    spec = run.run_spec
    try:
        # Its folder may be gone since it was loaded: that must not keep the run from its end.
        config = base_models.config_of(run.base_model, settings.models_root, settings.models_dir)
        if config is None:
            return None
        shape = shape_of(config)
        plan = make_plan(spec, run.dataset_version.row_count)
        rows = told["rows"]
        padded = told["pace"]["padded_tokens_per_step"] / spec.hyperparameters.effective_batch
        load = load_from(padded, rows["mean_tokens"], rows["learned_share"])
        estimated = parts_of(spec, plan, shape, hardware, load)
        memory = memory_of(spec, shape, hardware, rows["longest_tokens"])
    except (StudioError, OSError):
        return None
    return {
        "version": TIME_VERSION,
        "model_type": shape.model_type,
        "measured": _measured_parts(told, held),
        "estimated": {name: part.seconds for name, part in estimated.items()},
        # Of a GPU, torch tells what it has allocated: neither its context nor what the allocator holds beyond that.
        "memory": {
            "measured": told["peak_memory_bytes"],
            "estimated": memory.total - (memory.context + memory.slack if hardware.on_gpu else 0),
        },
        "steps": told["pace"]["steps"],
        "threads": told["threads_used"],
        "share_at_work": 1.0 if hardware.on_gpu else _share_at_work(told),
    }


def _share_at_work(told: Mapping[str, Any]) -> float:
    """Of its threads' time, what the trainer really computed; the rest other programs had."""
    processors = told["pace"].get("processors", 0.0)
    return min(1.0, processors / told["threads_used"]) if processors else 1.0


def _measured_parts(told: Mapping[str, Any], held: float | None) -> dict[str, float]:
    """Seconds of each part, each time; what no part accounts for is part of the start."""
    pace, seconds = told["pace"], told["seconds"]
    each, times = pace["seconds_each"], pace["times"]
    answers, evaluations = each.get("answers", 0.0), times.get("validation", 0)
    checkpoints = each.get("checkpoint", 0.0) * times.get("checkpoint", 0)
    parts = {
        "preparing": seconds.get("preparing_data", 0.0),
        "step": pace["mean_step_seconds"],
        # The weights that are kept after a validation are part of it.
        "validation": seconds.get("evaluating", 0.0) / evaluations - answers if evaluations else 0.0,
        "answers": answers,
        "checkpoint": each.get("checkpoint", 0.0),
        "export": seconds.get("exporting", 0.0),
    }
    known = parts["preparing"] + parts["export"] + seconds.get("evaluating", 0.0) + checkpoints
    told_of = sum(seconds.values())
    beside = min(_MOST_BESIDE_SECONDS, max(0.0, (held or told_of) - told_of))
    # A trial does more than it counts, so it tells itself what its start took.
    parts["start"] = pace.get("start_seconds", max(0.0, told_of + beside - known - parts["step"] * pace["steps"]))
    if pace["steps"] == 1:
        # The first step of all warms up, so a single one is no pace.
        parts["step"] = 0.0
    return parts
