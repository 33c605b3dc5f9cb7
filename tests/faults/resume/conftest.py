"""The tiny base model and its assignments, as the trainer's own tests have them."""

from tests.worker.conftest import assign, base_folder

__all__ = ["assign", "base_folder"]
