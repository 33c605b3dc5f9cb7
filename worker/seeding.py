"""Makes randomness a function of (seed, step), so that dropout and noise need no saved state."""

import hashlib
import random

import numpy as np
import torch


def seed_step(seed: int, step: int) -> None:
    """Seed every generator that a step may draw from: Python's, NumPy's, torch's on all devices."""
    digest = hashlib.sha256(f"{seed} {step}".encode()).digest()
    random.seed(digest)
    np.random.seed(int.from_bytes(digest[:4], "little"))
    torch.manual_seed(int.from_bytes(digest[8:16], "little", signed=True))
