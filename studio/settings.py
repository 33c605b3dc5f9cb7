"""Settings, read once at each entry point from `TUNEWRIGHT_*` environment variables; units are in the names."""

import os
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


def _default_data_dir() -> Path:
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "tunewright"


class Settings(BaseSettings):
    """Everything that differs between two installations."""

    model_config = SettingsConfigDict(env_prefix="TUNEWRIGHT_", frozen=True, extra="ignore")

    data_dir: Path = Field(default_factory=_default_data_dir, description="Where rows, files and logs are kept.")
    database_url: str | None = Field(None, description="SQLAlchemy URL; default is SQLite in the data folder.")
    redis_url: str | None = Field(None, description="Redis or Valkey URL; default is an own server on a socket.")
    host: str = Field("127.0.0.1", description="Address to listen on; only loopback until accounts exist.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on.")
    allowed_hosts: tuple[str, ...] = Field(
        ("localhost", "127.0.0.1", "[::1]"), description="Host names that requests may carry (JSON list)."
    )
    behind_proxy: bool = Field(
        False, description="Inside a container whose port is published on loopback only: listen on 0.0.0.0."
    )
    models_root: Path | None = Field(None, description="Folder whose sub-folders are offered as base models.")
    hub_endpoint: str = Field("https://huggingface.co", description="Where base models and datasets come from.")
    hub_token_file: Path | None = Field(None, description="File with the Hub token for gated models and datasets.")
    upload_limit_bytes: int = Field(2 * 1024**3, gt=0, description="Largest dataset file, as sent.")
    unpacked_limit_bytes: int = Field(4 * 1024**3, gt=0, description="Largest dataset file after gunzip.")
    small_upload_bytes: int = Field(
        32 * 1024**2, ge=0, description="Largest dataset file that is checked while its sender waits."
    )
    cache_limit_bytes: int = Field(24 * 1024**3, gt=0, description="Most that is kept of what can be made again.")
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR.")
    checkpoint_steps: int = Field(200, ge=1, description="Optimizer steps between two checkpoints, at most.")
    checkpoint_seconds: float = Field(300.0, gt=0, description="Seconds between two checkpoints, at most.")
    keep_checkpoints: int = Field(2, ge=2, description="Checkpoints that a run keeps, so that a damaged one is no end.")
    checkpoint_days: int = Field(14, ge=0, description="Days that a run to go on from keeps its checkpoint.")
    watchdog_seconds: float = Field(600.0, gt=0, description="A trainer without a step for this long counts as hung.")
    gpu: str | None = Field(None, description="CUDA device index that this worker owns, such as 0.")

    @property
    def sqlalchemy_url(self) -> str:
        """The database URL; SQLite inside the data folder unless one is configured."""
        return self.database_url or f"sqlite:///{self.data_dir / 'tunewright.sqlite'}"

    @property
    def storage_dir(self) -> Path:
        """Finished, immutable files."""
        return self.data_dir / "files"

    @property
    def runs_dir(self) -> Path:
        """Working folders of runs: events, logs, checkpoints."""
        return self.data_dir / "runs"

    @property
    def uploads_dir(self) -> Path:
        """Files that are still being received or checked."""
        return self.data_dir / "uploads"

    @property
    def models_dir(self) -> Path:
        """Base models downloaded from the Hub."""
        return self.data_dir / "models"

    @property
    def cache_dir(self) -> Path:
        """What can be made again at any time: findings of checks, tokenised rows."""
        return self.data_dir / "cache"

    @property
    def token_cache_dir(self) -> Path:
        """Tokenised rows, shared by the checks of datasets and the trainers."""
        return self.cache_dir / "tokens"

    @property
    def tokenizers_dir(self) -> Path:
        """Tokenizers of base models whose weights were not downloaded."""
        return self.cache_dir / "tokenizers"

    @property
    def logs_dir(self) -> Path:
        """Logs of the website, the worker and Valkey."""
        return self.data_dir / "logs"
