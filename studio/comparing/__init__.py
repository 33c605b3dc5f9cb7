"""Comparing two versions of a dataset, here or in a child, `python -m studio.comparing FOLDER`."""

from studio.comparing.differences import DIFF_KINDS, PAIR_BYTES, DiffKind, Line, unpacked, write_differences

DIFFERENCE_FOLDER = "difference"

__all__ = ["DIFFERENCE_FOLDER", "DIFF_KINDS", "PAIR_BYTES", "DiffKind", "Line", "unpacked", "write_differences"]
