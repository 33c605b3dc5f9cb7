"""What the supervisor and the download program say to each other."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

RESULT_FILE = "base_model.json"
# All that a fast tokenizer is read from.
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "config.json",
)
# Xet would need its own protocol; the token comes from the order alone.
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "0",
    "HF_HUB_DISABLE_XET": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
}


class Order(BaseModel):
    """What to fetch, from where, to where."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    model_id: str
    revision: str | None
    endpoint: str
    models_dir: Path
    token: str | None = Field(None, repr=False)
    tokenizers_dir: Path | None = None
    """Where to put the tokenizer of a base model that is not there yet; then no weights are fetched."""


class Found(BaseModel):
    """A base model on this machine; `revision` is the commit that the branch or tag pointed to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: Path
    revision: str
