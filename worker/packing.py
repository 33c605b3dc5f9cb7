"""Takes a nested state (an optimizer's, a scheduler's) apart into tensors by name and plain JSON, and back."""

from typing import Any

import torch

Tensors = dict[str, torch.Tensor]
_SCALARS = (bool, int, float, str, type(None))


def pack(value: Any, tensors: Tensors, path: str = "") -> Any:
    """The plain form of `value`; its tensors go into `tensors`, copied to the CPU where they are not there.

    Mappings become lists of pairs, because an optimizer's state is keyed by numbers and JSON has only text for keys.
    Raises TypeError for what is neither plain nor a tensor: nothing is left to pickle.
    """
    if isinstance(value, torch.Tensor):
        tensors[path] = value.detach().cpu()
        return {"tensor": path}
    if isinstance(value, dict):
        return {"map": [[key, pack(item, tensors, f"{path}/{key}")] for key, item in value.items()]}
    if isinstance(value, tuple | list):
        items = [pack(item, tensors, f"{path}/{position}") for position, item in enumerate(value)]
        return {"tuple": items} if isinstance(value, tuple) else {"list": items}
    if isinstance(value, _SCALARS):
        return value
    raise TypeError(f"{path} holds a {type(value).__name__}, which cannot be saved without pickle.")


def unpack(plain: Any, tensors: Tensors) -> Any:
    """What `pack` was given."""
    if not isinstance(plain, dict):
        return plain
    ((kind, content),) = plain.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "map":
        return {key: unpack(item, tensors) for key, item in content}
    items = [unpack(item, tensors) for item in content]
    return tuple(items) if kind == "tuple" else items
