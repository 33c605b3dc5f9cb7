"""Imports what reading texts needs once, in the forkserver of the CPU queue, so that children start warm.

To be imported by processes of that kind alone: transformers imports torch wherever it finds it, which takes 150 MB and
seconds that tokenizers have no use for, so here it does not find it.
"""

import os
import sys

sys.modules["torch"] = None  # type: ignore[assignment]
os.environ["TRANSFORMERS_NO_ADVISORY_WARNINGS"] = "1"

from transformers import AutoTokenizer  # noqa: E402

import worker.tokens_child  # noqa: E402

__all__ = ["AutoTokenizer", "worker"]
