"""Base models: the curated catalogue, the bundled demo, and the check of `config.json`."""

from studio.base_models.architectures import ARCHITECTURES, Architecture
from studio.base_models.catalogue import (
    DEMO_ID,
    FOLDER_PREFIX,
    HUB_ID_PATTERN,
    BaseModelFacts,
    curated,
    demo_folder,
    get_base_model,
    is_local,
    list_base_models,
    model_folder,
)
from studio.base_models.config import check_config, check_weight_files, read_config
from studio.base_models.known_configs import config_of, is_here

__all__ = [
    "ARCHITECTURES",
    "DEMO_ID",
    "FOLDER_PREFIX",
    "HUB_ID_PATTERN",
    "Architecture",
    "BaseModelFacts",
    "check_config",
    "check_weight_files",
    "config_of",
    "curated",
    "demo_folder",
    "get_base_model",
    "is_here",
    "is_local",
    "list_base_models",
    "model_folder",
    "read_config",
]
