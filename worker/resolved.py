"""What a spec came to on this machine, as facts and as notes for a person."""

from typing import Any

import torch

from studio.runs import Plan
from studio.runs.events import Noted
from worker.assignment import Assignment
from worker.hardware import Hardware, versions
from worker.model import Loaded
from worker.prepared import RunRows
from worker.trainer import usable_optimizer


def resolved(
    assignment: Assignment, plan: Plan, hardware: Hardware, loaded: Loaded, rows: RunRows, max_length: int
) -> dict[str, Any]:
    """The resolved config; plain values only."""
    spec = assignment.spec
    config = loaded.model.config
    return {
        "device": hardware.device_name,
        "device_kind": hardware.device,
        "driver": hardware.driver,
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "deterministic": not hardware.on_gpu or torch.are_deterministic_algorithms_enabled(),
        "base_bits": getattr(spec.method, "base_bits", 16),
        "threads": hardware.threads,
        "compute_dtype": hardware.compute_name,
        "attention": config._attn_implementation,
        "base_revision": assignment.base_revision,
        "versions": versions(),
        "train_rows": rows.reference.train_rows,
        "validation_rows": rows.reference.validation_rows,
        "test_rows": plan.test_rows,
        "trained_tokens_per_epoch": rows.facts["trained_tokens"],
        "steps": plan.steps,
        "steps_per_epoch": plan.steps_per_epoch,
        "effective_batch": plan.effective_batch,
        "evaluate_every": plan.evaluate_every,
        "learning_rate": spec.learning_rate,
        "optimizer": usable_optimizer(spec.hyperparameters.optimizer, hardware),
        "max_length": max_length,
        "cut_rows": rows.facts["cut"],
        "dropped_rows": rows.facts["dropped"],
        "chat_template": rows.facts["template"],
        "trained_parameters": loaded.trained_parameters,
        "total_parameters": loaded.total_parameters,
    }


def notes(assignment: Assignment, rows: RunRows, max_length: int, hardware: Hardware) -> list[Noted]:
    """Warnings about what was left out or done differently than asked."""
    cut, dropped, only_last = (rows.facts[name] for name in ("cut", "dropped", "only_last_answer"))
    asked = assignment.spec.hyperparameters.optimizer
    told = [
        (cut, f"{_rows(cut)} longer than {max_length} tokens and cut there."),
        (dropped, f"{_rows(dropped)} left out: no answer within the first {max_length} tokens."),
        (
            only_last,
            f"{_rows(only_last)} learned only by the last answer, because the chat template rewrites earlier turns.",
        ),
        (
            max_length < assignment.spec.data.max_length_tokens,
            f"The longest row is {max_length} tokens here: the base model's context has no more.",
        ),
        (
            asked != usable_optimizer(asked, hardware),
            "AdamW is used: the 8-bit optimizers need a GPU.",
        ),
        (not rows.validation, "No validation row has an answer to learn from, so there is no validation loss."),
    ]
    return [Noted(kind="warning", message=message) for applies, message in told if applies]


def _rows(count: int) -> str:
    return "1 row is" if count == 1 else f"{count:,} rows are"
