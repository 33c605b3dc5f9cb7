"""Writes and reads checkpoints: safetensors and JSON in a folder that is whole or not there; nothing is pickled."""

import contextlib
import os
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from studio.runs import publish_folder
from studio.runs.folders import checkpoint_name
from studio.storage import disk_space_told
from worker.model import Weights, trained
from worker.packing import Tensors, pack, unpack
from worker.state import FORMAT, State

WEIGHTS_FILE = "weights.safetensors"
BEST_FILE = "best.safetensors"
START_FILE = "start.safetensors"
OPTIMIZER_FILE = "optimizer.safetensors"


class Checkpoints:
    """The checkpoints of one attempt, and beside them the files that a next one shares by hard link."""

    def __init__(self, folder: Path, checkpoint: Path | None = None) -> None:
        """Begin with an empty folder, or with what `checkpoint`, from which the run goes on, shares with the next."""
        if checkpoint is None or folder not in checkpoint.parents:
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._best_step: int | None = None
        for name in (BEST_FILE, START_FILE):
            if checkpoint is not None and (checkpoint / name).is_file():
                _link(checkpoint / name, folder / name)

    def keep_start(self, start: Weights) -> None:
        """Keep the start of an adapter that has changed its base: no other start fits the changed base."""
        self._replace(START_FILE, start)

    def keep_best(self, model: nn.Module, step: int) -> None:
        """Keep the weights as the best ones so far."""
        self._replace(BEST_FILE, trained(model))
        self._best_step = step

    def load_best(self, model: nn.Module) -> None:
        """Put the best weights back into the model."""
        load_weights(model, self._folder / BEST_FILE)

    def write(
        self, model: nn.Module, optimizer: Any, scheduler: Any, state: State, facts: Mapping[str, Any]
    ) -> tuple[str, int]:
        """Write the checkpoint of `state.step`; returns its manifest's SHA-256 and its bytes, shared ones included."""
        temporary = self._folder / f"tmp-{uuid.uuid4().hex}"
        temporary.mkdir()
        try:
            with disk_space_told():
                self._fill(temporary, model, optimizer, scheduler, state)
            final = self._folder / checkpoint_name(state.step)
            return publish_folder(temporary, final, {"format": FORMAT, "step": state.step, **facts})
        except BaseException:
            # What is half written takes the room that the sentence about the full disk needs.
            shutil.rmtree(temporary, ignore_errors=True)
            raise

    def _fill(self, folder: Path, model: nn.Module, optimizer: Any, scheduler: Any, state: State) -> None:
        for name in (BEST_FILE, START_FILE):
            if (self._folder / name).is_file():
                _link(self._folder / name, folder / name)
        if self._best_step == state.step:
            _link(folder / BEST_FILE, folder / WEIGHTS_FILE)
        else:
            _save(trained(model), folder / WEIGHTS_FILE)
        tensors: Tensors = {}
        packed = pack(optimizer.state_dict(), tensors)
        _save(tensors, folder / OPTIMIZER_FILE)
        state.model_copy(update={"optimizer": packed, "scheduler": pack(scheduler.state_dict(), {})}).write(folder)

    def _replace(self, name: str, weights: Mapping[str, torch.Tensor]) -> None:
        temporary = self._folder / f"tmp-{name}"
        with disk_space_told():
            _save(weights, temporary)
            temporary.replace(self._folder / name)


def load_weights(model: nn.Module, path: Path) -> None:
    """Put saved weights into the model, bit by bit."""
    saved = load_file(path)
    with torch.no_grad():
        for name, weight in trained(model).items():
            weight.copy_(saved.pop(name))
    if saved:
        raise KeyError(f"The checkpoint holds weights that this model does not train: {sorted(saved)[:3]}")


def load_start(checkpoint: Path) -> Weights | None:
    """The start of an adapter that has changed its base; None for all others."""
    return load_file(checkpoint / START_FILE) if (checkpoint / START_FILE).is_file() else None


def load_optimizer(optimizer: Any, scheduler: Any, checkpoint: Path, state: State) -> None:
    """Put the saved states into a fresh optimizer and scheduler."""
    optimizer.load_state_dict(unpack(state.optimizer, load_file(checkpoint / OPTIMIZER_FILE)))
    scheduler.load_state_dict(unpack(state.scheduler, {}))
    _restore_pages(getattr(optimizer, "optimizer", optimizer))


def is_finite(model: nn.Module) -> bool:
    """Whether every trained weight is a finite number."""
    return all(bool(torch.isfinite(weight).all()) for weight in trained(model).values())


def _restore_pages(optimizer: Any) -> None:
    """Move loaded moments back into paged memory, where bitsandbytes would have made them; else a GPU that needs
    the paging would run out of memory after a resume only."""
    if not getattr(optimizer, "is_paged", False):
        return
    for parameter, state in optimizer.state.items():
        for name in ("state1", "state2"):
            if parameter.is_cuda and name in state:
                buffer = optimizer.get_state_buffer(parameter, dtype=state[name].dtype)
                buffer.copy_(state[name])
                state[name] = buffer
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _save(tensors: Mapping[str, torch.Tensor], path: Path) -> None:
    """Write tensors, each with memory of its own: bitsandbytes uses one quantization map for all its states."""
    written: set[int] = set()
    own = {}
    for name, tensor in tensors.items():
        plain = tensor.detach().contiguous()
        own[name] = plain.clone() if plain.data_ptr() in written else plain
        written.add(plain.data_ptr())
    save_file(own, path)


def _link(source: Path, target: Path) -> None:
    """A second name for a file that never changes; a copy where the two are on different disks."""
    with contextlib.suppress(FileNotFoundError):
        target.unlink()
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
