"""Imports what reading texts needs once, in the forkserver of the CPU queue, so that children start warm."""

from transformers import AutoTokenizer

import worker.data

__all__ = ["AutoTokenizer", "worker"]
