"""The memory model beside published measurements: `python -m benchmarks.memory`.

Each cell says how its framework computes, as far as that decides memory; nothing is tuned to a cell:

- peft's comparison: a bfloat16 model without autocast, adapters in float32, whole models with gradients and moments in
  bfloat16; transformers 5 holds all logits; torch's reserved memory, without the CUDA context.
- torchtune: adapters in bfloat16, logits and their gradients in bfloat16 with a loss in eight chunks; compiled, which
  is not modelled (it fuses what a layer computes again), so these cells are estimated too high.
- LLaMA-Factory: autocast, adapters in float32; transformers of early 2024 cast all logits to float32 and copied them
  shifted; memory in whole GB as the device shows it, with the CUDA context.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks._studio import write_result
from studio.budget.activations import LOGIT_BYTES, Step
from studio.budget.memory import Memory, memory_in
from studio.budget.shapes import ModelShape, shape_of
from studio.methods import IA3, Full, LoRA, Method, PromptTuning

ROOT = Path(__file__).resolve().parent.parent
MEASURED = ROOT / "tests" / "data" / "measured_memory.csv"
_GIB, _GB = 1 << 30, 10**9


@dataclass(frozen=True, slots=True)
class Cell:
    """One published measurement; `unit` is what it is given in."""

    name: str
    step: Step
    measured: float
    unit: int
    with_context: bool

    @property
    def memory(self) -> Memory:
        """The estimate."""
        return memory_in(self.step)

    @property
    def estimated(self) -> float:
        """In the unit of the measurement, without what it leaves out."""
        left_out = 0 if self.with_context else self.memory.context
        return (self.memory.total - left_out) / self.unit

    @property
    def error(self) -> float:
        """Above 0: estimated too high."""
        return self.estimated / self.measured - 1


def cells() -> Iterator[Cell]:
    """The rows of measured_memory.csv."""
    with MEASURED.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            framework = row["source"].split()[0]
            name = (
                f"{framework}, {row['model'].split('/')[1]}, {row['method']}, {row['batch']} x {row['length_tokens']}"
            )
            factory = framework == "LLaMA-Factory"
            unit = _GB if factory else _GIB
            yield Cell(name, _step(row, framework), float(row["peak_gib"]), unit, with_context=factory)


def _step(row: dict[str, str], framework: str) -> Step:
    ways: dict[str, dict[str, Any]] = {
        "peft": {"autocast": False, "master": 2, "logit_bytes": LOGIT_BYTES[2]},
        "torchtune": {"autocast": False, "adapter": 2, "logit_bytes": 2 + 12 / 8},
        "LLaMA-Factory": {"autocast": True, "logit_bytes": LOGIT_BYTES[4] + 4},
    }
    method = _method(row)
    return Step(
        shape=_shape(row),
        method=method,
        batch=int(row["batch"]),
        length=int(row["length_tokens"]) + (method.virtual_tokens if isinstance(method, PromptTuning) else 0),
        accumulates=False,
        checkpointing=row["checkpointing"] == "yes",
        **ways[framework],
    )


def _shape(row: dict[str, str]) -> ModelShape:
    shape = shape_of(
        {
            "model_type": "llama",
            "hidden_size": int(row["hidden"]),
            "num_hidden_layers": int(row["layers"]),
            "num_attention_heads": int(row["heads"]),
            "num_key_value_heads": int(row["kv_heads"]),
            "intermediate_size": int(row["intermediate"]),
            "vocab_size": int(row["vocabulary"]),
            "tie_word_embeddings": "Llama-3.2" in row["model"],
        }
    )
    if shape.parameters != int(row["parameters"]):
        raise ValueError(f"{row['model']} has {row['parameters']} parameters, not {shape.parameters}")
    return shape


def _method(row: dict[str, str]) -> Method:
    if row["method"] == "full":
        return Full()
    if row["method"] == "ia3":
        return IA3()
    if row["method"] == "prompt_tuning":
        return PromptTuning(virtual_tokens=int(row["rank"]))
    targets = "all-linear" if row["targets"] == "all linear" else row["targets"].replace(" ", ", ")
    bits: Any = int(row["base_bits"])
    return LoRA(rank=int(row["rank"]), targets=targets, dropout=0, base_bits=bits)


def main() -> None:
    """Print the table and write it."""
    rows = []
    for cell in cells():
        parts = {name: round(size / cell.unit, 2) for name, size in cell.memory.parts.items()}
        print(f"{cell.name:58} measured {cell.measured:6.2f} estimated {cell.estimated:6.2f} {cell.error:+7.1%}")
        figures = {"measured": cell.measured, "estimated": round(cell.estimated, 2), "error": round(cell.error, 3)}
        rows.append({"cell": cell.name, "unit": "GiB" if cell.unit == _GIB else "GB", **figures, "parts": parts})
    errors = [row["error"] for row in rows]
    mean, lowest = sum(map(abs, errors)) / len(errors), min(errors)
    goal = {"mean_absolute_error": 0.10, "lowest_error": -0.10}
    write_result("memory", {"goal": goal, "mean_absolute_error": mean, "lowest_error": lowest, "cells": rows})


if __name__ == "__main__":
    main()
