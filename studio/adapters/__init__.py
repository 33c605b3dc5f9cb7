"""Adapters: finished, downloadable results."""

from studio.adapters.catalogue import (
    adapter_ids,
    adapter_of_run,
    archive_key,
    get_adapter,
    list_adapters,
    register,
    store_archive,
)
from studio.adapters.models import Adapter

__all__ = [
    "Adapter",
    "adapter_ids",
    "adapter_of_run",
    "archive_key",
    "get_adapter",
    "list_adapters",
    "register",
    "store_archive",
]
