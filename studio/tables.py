"""All tables, imported in one place for migrations and for tests that make them."""

from studio.adapters.models import Adapter
from studio.chores.models import Chore
from studio.datasets.models import Arrival, Dataset, DatasetVersion
from studio.db import Base
from studio.runs.models import Checkpoint, MixedVersion, Point, PointBlock, Run, RunEvent, SampleAnswer, Worker

metadata = Base.metadata

__all__ = [
    "Adapter",
    "Arrival",
    "Checkpoint",
    "Chore",
    "Dataset",
    "DatasetVersion",
    "MixedVersion",
    "Point",
    "PointBlock",
    "Run",
    "RunEvent",
    "SampleAnswer",
    "Worker",
    "metadata",
]
