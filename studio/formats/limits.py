"""How much of everything a file may hold; the numbers are shown in docs/data-formats.md."""

from dataclasses import dataclass

KIB, MIB, GIB = 1024, 1024**2, 1024**3


@dataclass(frozen=True, slots=True)
class ImportLimits:
    """Bounds on one imported file and on the child process that checks it."""

    unpacked_limit_bytes: int = 4 * GIB
    row_bytes: int = 4 * MIB
    string_characters: int = 2 * MIB
    depth_levels: int = 64
    keys_per_object: int = 256
    columns: int = 256
    rows: int = 5_000_000
    expansion_ratio: int = 50
    # Small files may compress better than the ratio: a thousand equal rows do no harm. Parquet keeps a
    # repeated text once, so more of it is normal.
    gzip_free_bytes: int = 1 * MIB
    parquet_free_bytes: int = 64 * MIB
    problems_shown: int = 100
    # Reading ends here: a file of five million bad rows has been understood long before.
    problems_counted: int = 100_000
    memory_bytes: int = 1 * GIB
    # Arrow maps 0.3 GiB before it reads anything, and decodes a whole page at a time.
    parquet_memory_bytes: int = 2 * GIB
    cpu_seconds: int = 600
    wall_seconds: int = 1200
