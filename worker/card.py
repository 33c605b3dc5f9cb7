"""The model card: what was trained, on what, how it went and how to load it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from studio.budget.licensing import card_license, for_reading
from worker.assignment import Assignment


@dataclass(frozen=True, slots=True)
class Outcome:
    """How training ended."""

    step: int
    steps: int
    first_validation_loss: float | None
    validation_loss: float | None
    trained_parameters: int
    total_parameters: int
    train_rows: int
    validation_rows: int
    ended: str = ""


def base_name(assignment: Assignment) -> str:
    """The base model's public name; never a path of this machine."""
    return assignment.spec.base_model.id.removeprefix("folder:")


def write_card(assignment: Assignment, outcome: Outcome, versions: Mapping[str, str]) -> str:
    """Markdown with the YAML head that model hubs read."""
    spec = assignment.spec
    adapter = spec.method.artifact == "adapter"
    return "\n".join(
        [
            "---",
            yaml.safe_dump(_head(assignment), sort_keys=False, allow_unicode=True).strip(),
            "---",
            "",
            f"# {assignment.run_name}",
            "",
            f"{spec.method.label} {'adapter for' if adapter else 'fine-tune of'} `{base_name(assignment)}`"
            f"{_revision(assignment)}, trained with Tunewright.",
            "",
            "## Data",
            "",
            f"- dataset: {assignment.dataset_name}",
            f"- sha256 of its canonical rows: `{spec.data.sha256}`",
            f"- rows: {outcome.train_rows:,} trained on, {outcome.validation_rows:,} held out for validation",
            f"- learned: {spec.data.train_on}, longest row {spec.data.max_length_tokens:,} tokens",
            "",
            "## Result",
            "",
            f"- step {outcome.step:,} of {outcome.steps:,} ({_chosen(outcome)})",
            *([f"- {outcome.ended}"] if outcome.ended else []),
            f"- validation loss {_loss(outcome.first_validation_loss)} before training, "
            f"{_loss(outcome.validation_loss)} after; nats per learned token",
            f"- {outcome.trained_parameters:,} of {outcome.total_parameters:,} parameters trained",
            "",
            "The data, the settings and the versions are in `training_config.yaml` and `environment.json`; every "
            "measured point is in `metrics.csv`.",
            "",
            "## Use",
            "",
            "```python",
            *_usage(assignment),
            "```",
            "",
            "## Limits",
            "",
            "This model was tuned for one task on the rows above. Nothing is known of how it does elsewhere; test it "
            "on your own held-out rows.",
            "",
            "## Licences",
            "",
            for_reading(assignment.license_statement) or "The licence of the base model applies to it.",
            "",
            "## Versions",
            "",
            *[f"- {name} {version}" for name, version in versions.items()],
            "",
        ]
    )


def _head(assignment: Assignment) -> dict[str, Any]:
    adapter = assignment.spec.method.artifact == "adapter"
    licence = card_license(assignment.license_statement)
    head: dict[str, Any] = {"license": licence} if licence else {}
    head |= {"pipeline_tag": "text-generation", "library_name": "peft" if adapter else "transformers"}
    if "/" in assignment.spec.base_model.id:
        head["base_model"] = assignment.spec.base_model.id
        head["base_model_relation"] = "adapter" if adapter else "finetune"
    head["tags"] = [assignment.spec.method.label.lower().replace(" ", "-"), "sft", "trl", "tunewright"]
    return head


def _revision(assignment: Assignment) -> str:
    return f" at revision `{assignment.base_revision}`" if assignment.base_revision else ""


def _chosen(outcome: Outcome) -> str:
    return "the last one; no validation came behind it" if outcome.validation_loss is None else "lowest validation loss"


def _loss(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.4f}"


def _usage(assignment: Assignment) -> list[str]:
    if assignment.spec.method.artifact == "model":
        return [
            "from transformers import AutoModelForCausalLM, AutoTokenizer",
            "",
            'model = AutoModelForCausalLM.from_pretrained("path/to/this/folder")',
            'tokenizer = AutoTokenizer.from_pretrained("path/to/this/folder")',
        ]
    revision = f', revision="{assignment.base_revision}"' if assignment.base_revision else ""
    return [
        "from peft import PeftModel",
        "from transformers import AutoModelForCausalLM, AutoTokenizer",
        "",
        f'base = AutoModelForCausalLM.from_pretrained("{base_name(assignment)}"{revision})',
        'model = PeftModel.from_pretrained(base, "path/to/this/folder")',
        'tokenizer = AutoTokenizer.from_pretrained("path/to/this/folder")',
    ]
