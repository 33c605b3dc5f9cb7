"""RunSpec: the only description of a run. The form builds one, the API takes one, the row keeps one, the worker
reads one, the archive holds one. Paths, devices, credentials and ids of machines are not in it."""

import re
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError, field_validator

from studio.base_models import DEMO_ID, FOLDER_PREFIX, HUB_ID_PATTERN
from studio.datasets.splits import Split
from studio.errors import InvalidInput
from studio.methods import Method, QLoRA
from studio.runs.spec_limits import Budget, EarlyStopping, LicenseUse, SpecPart

_REVISION = re.compile(r"^[A-Za-z0-9_.\-/]{1,96}$")
_SHA256 = r"^[0-9a-f]{64}$"
_VERSION_ID = r"^dsv_[0-9a-z]{26}$"
_MOST_PARTS = 8


class BaseModelChoice(SpecPart):
    """Which pretrained weights."""

    id: str = Field(DEMO_ID, title="Base model", description="Smallest first: try a model under 1 B before one of 8 B.")
    revision: str | None = Field(
        None,
        description="Commit hash, tag or branch on the Hub; empty takes the newest, and the run keeps its hash.",
        json_schema_extra={"advanced": True},
    )

    @field_validator("id")
    @classmethod
    def _is_an_id(cls, value: str) -> str:
        if value == DEMO_ID or value.startswith(FOLDER_PREFIX) or HUB_ID_PATTERN.fullmatch(value):
            return value
        raise ValueError("pick a base model of the list, or give a Hub id such as Qwen/Qwen3-0.6B")

    @field_validator("revision")
    @classmethod
    def _is_a_revision(cls, value: str | None) -> str | None:
        if value is None or value == "":
            return None
        if not _REVISION.fullmatch(value) or ".." in value:
            raise ValueError("a revision is a commit hash, a tag or a branch name")
        return value


class MixPart(SpecPart):
    """Another dataset that is learned beside the first one."""

    dataset_version_id: str = Field(title="Dataset", pattern=_VERSION_ID)
    sha256: str = Field(pattern=_SHA256, description="Hash of its canonical rows; the run refuses other bytes.")
    row_count: int = Field(ge=2, description="How many rows it has in all.")
    split: Split = Field(default_factory=Split)
    weight: float = Field(
        0.25,
        gt=0,
        le=100,
        description="Its rows for each row of the first dataset; 0.25 makes 80 % and 20 %, usual against forgetting.",
    )


class Data(SpecPart):
    """Which rows, and what of them is learned."""

    dataset_version_id: str = Field(title="Dataset", pattern=_VERSION_ID, description="At least 100 rows.")
    sha256: str = Field(pattern=_SHA256, description="Hash of the canonical rows; the run refuses other bytes.")
    split: Split = Field(default_factory=Split)
    max_length_tokens: int = Field(
        1024,
        ge=16,
        le=131_072,
        title="Longest row",
        description="Tokens; what is beyond is cut. 512 to 2048 is usual, memory grows with it.",
    )
    train_on: Literal["answers", "everything"] = Field(
        "answers",
        title="Learn from",
        description="answers: only what the assistant says (usual); everything: prompts too. Plain text is always all.",
        json_schema_extra={"advanced": True},
    )
    max_train_rows: int | None = Field(
        None,
        ge=1,
        title="Rows to train on",
        description="Empty takes all rows of the train split; 500 is enough for a first look.",
        json_schema_extra={"advanced": True},
    )
    # Both are left out where they say nothing: version 0.1 refuses names that it does not know.
    mix: tuple[MixPart, ...] = Field(
        (), max_length=_MOST_PARTS, exclude_if=lambda parts: not parts, description="Datasets learned beside this one."
    )
    mixing: Literal["weights", "equal", "all"] = Field(
        "weights",
        exclude_if=lambda way: way == "weights",
        description="weights: so many rows of each beside the first; equal: the same number of each; all: every row.",
    )


class Hyperparameters(SpecPart):
    """How the optimizer walks."""

    learning_rate: float | None = Field(
        None,
        gt=0,
        le=1,
        description="2e-4 is usual for LoRA, 1e-5 for full, 1e-3 or more for prompt tuning; empty takes the method's.",
    )
    epochs: float = Field(3.0, gt=0, le=1000, description="Passes over the train split; 1 to 3 is usual.")
    max_steps: int | None = Field(
        None,
        ge=1,
        le=10_000_000,
        title="Stop after steps",
        description="Overrides the epochs; 20 steps are enough to see whether a run works.",
        json_schema_extra={"advanced": True},
    )
    batch_size: int = Field(
        4, ge=1, le=1024, description="Rows per forward pass: 1 to 8 on most GPUs; memory grows with it."
    )
    gradient_accumulation_steps: int = Field(
        4,
        ge=1,
        le=1024,
        title="Gradient accumulation",
        description="Passes per step: 4 x 4 makes an effective batch of 16.",
    )
    scheduler: Literal["linear", "cosine", "constant", "constant_with_warmup"] = Field(
        "cosine",
        title="Schedule",
        description="How the learning rate falls: cosine or linear is usual.",
        json_schema_extra={"advanced": True},
    )
    warmup_fraction: float = Field(
        0.03,
        ge=0,
        le=0.5,
        title="Warm-up",
        description="Share of steps in which the learning rate rises; 0.03 is usual.",
        json_schema_extra={"advanced": True},
    )
    weight_decay: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Pull towards zero: 0 is usual for adapters, 0.01 for full.",
        json_schema_extra={"advanced": True},
    )
    max_gradient_norm: float = Field(
        1.0,
        gt=0,
        le=1000,
        title="Gradient clipping",
        description="Longer gradients are scaled down to this norm; 1.0 is usual.",
        json_schema_extra={"advanced": True},
    )
    optimizer: Literal["adamw", "adamw_8bit", "paged_adamw_8bit"] = Field(
        "adamw",
        description="adamw is exact; the 8-bit ones save 6 bytes a trained weight and pay off for full training.",
        json_schema_extra={"advanced": True},
    )
    gradient_checkpointing: bool = Field(
        False,
        description="Recomputes activations: about 40 % slower, and a fraction of their memory.",
        json_schema_extra={"advanced": True},
    )
    neftune_noise_alpha: float | None = Field(
        None,
        gt=0,
        le=100,
        title="NEFTune noise",
        description="Noise on embeddings against overfitting: 5 is usual, empty is off.",
        json_schema_extra={"advanced": True},
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        description="Arithmetic of training: auto is bfloat16 on a GPU that has it, else float32.",
        json_schema_extra={"advanced": True},
    )
    seed: int = Field(
        17,
        ge=0,
        lt=2**31,
        description="The same seed, data and settings give the same run; 17 is the default.",
        json_schema_extra={"advanced": True},
    )

    @property
    def effective_batch(self) -> int:
        """Rows per optimizer step."""
        return self.batch_size * self.gradient_accumulation_steps


class EvaluationPlan(SpecPart):
    """What is measured while the run goes on."""

    every_steps: int | None = Field(
        None,
        ge=1,
        title="Evaluate every",
        description="Steps between validations; empty spreads 10 over the run.",
        json_schema_extra={"advanced": True},
    )
    max_rows: int = Field(
        200,
        ge=1,
        le=100_000,
        title="Validation rows",
        description="At most this many rows for each validation loss; 200 is usual.",
        json_schema_extra={"advanced": True},
    )
    sample_prompts: int = Field(
        4,
        ge=0,
        le=32,
        title="Sample answers",
        description="Held-out prompts answered at each validation; 4 is usual, 0 is off.",
        json_schema_extra={"advanced": True},
    )
    sample_tokens: int = Field(
        64,
        ge=1,
        le=2048,
        title="Longest sample",
        description="Tokens per sample answer; 64 is enough for short answers.",
        json_schema_extra={"advanced": True},
    )
    early_stopping: EarlyStopping = Field(
        default_factory=EarlyStopping, exclude_if=lambda stopping: stopping == EarlyStopping()
    )


class RunSpec(SpecPart):
    """One training, wholly described."""

    version: Literal[1] = 1
    base_model: BaseModelChoice = Field(default_factory=BaseModelChoice)
    data: Data
    method: Method = Field(default_factory=QLoRA)
    hyperparameters: Hyperparameters = Field(default_factory=Hyperparameters)
    evaluation: EvaluationPlan = Field(default_factory=EvaluationPlan)
    # Version 0.1 refuses names that it does not know, so these are left out where they say nothing.
    budget: Budget = Field(default_factory=Budget, exclude_if=lambda budget: budget == Budget())
    license: LicenseUse = Field(default_factory=LicenseUse, exclude_if=lambda use: use == LicenseUse())

    @property
    def learning_rate(self) -> float:
        """The learning rate in force: the given one, or the method's usual one."""
        return self.hyperparameters.learning_rate or self.method.default_learning_rate

    def to_yaml(self) -> str:
        """The spec as YAML, in the order of its fields."""
        text: str = yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
        return text


def spec_from_yaml(text: str) -> RunSpec:
    """Read a spec; raises InvalidInput with a sentence per field."""
    if len(text) > 256_000:
        raise InvalidInput("A run spec in YAML is at most 256 kB.")
    try:
        # CSafeLoader would be faster; the safe loader refuses object tags either way.
        plain = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        where = f" at line {line + 1}" if line is not None else ""
        raise InvalidInput(f"This is not valid YAML{where}.") from error
    if not isinstance(plain, dict):
        raise InvalidInput("A run spec is a YAML mapping with base_model, data, method, hyperparameters, evaluation.")
    return validate_spec(plain)


def validate_spec(plain: dict[str, Any]) -> RunSpec:
    """Validate a plain mapping; raises InvalidInput with a sentence per field (dotted path)."""
    try:
        return RunSpec.model_validate(plain)
    except ValidationError as error:
        fields = errors_by_field(error)
        raise InvalidInput("Some settings need another look.", fields=fields) from error


def errors_by_field(error: ValidationError) -> dict[str, str]:
    """Sentences by dotted path; the tag of the method union is left out of the path."""
    sentences: dict[str, str] = {}
    for problem in error.errors(include_url=False, include_context=False):
        path = [str(part) for part in problem["loc"]]
        if len(path) > 1 and path[0] == "method":
            path.pop(1)
        message = problem["msg"].removeprefix("Value error, ").replace("Input should", "This must", 1)
        sentences.setdefault(".".join(path), message[:1].upper() + message[1:] + ".")
    return sentences
