"""Keeps the trained weights of the best and of the last evaluation, as safetensors and nothing else."""

import os
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from worker.model import trained


class Checkpoints:
    """Two files in a folder: `best.safetensors` and `last.safetensors`, each replaced whole."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder

    def save_last(self, model: nn.Module) -> None:
        """Write the trained weights."""
        temporary = self._folder / "last.tmp"
        save_file({name: weight.detach().contiguous() for name, weight in trained(model).items()}, temporary)
        temporary.replace(self._folder / "last.safetensors")

    def mark_best(self) -> None:
        """Make the last checkpoint the best one too; a hard link, so it costs no second write."""
        temporary = self._folder / "best.tmp"
        os.link(self._folder / "last.safetensors", temporary)
        temporary.replace(self._folder / "best.safetensors")

    def load_best(self, model: nn.Module) -> None:
        """Put the best weights back into the model."""
        saved = load_file(self._folder / "best.safetensors")
        with torch.no_grad():
            for name, weight in trained(model).items():
                weight.copy_(saved[name])
