"""All tables, imported in one place for migrations and for tests that make them."""

from studio.adapters.models import Adapter
from studio.chores.models import Chore
from studio.datasets.models import Arrival, Dataset, DatasetVersion
from studio.db import Base
from studio.ladders.models import Ladder
from studio.runs.models import Checkpoint, MixedVersion, Point, PointBlock, Run, RunEvent, SampleAnswer, Worker
from studio.runs.traces import Alert, Measurement, Stint
from studio.spending.models import Price

metadata = Base.metadata

__all__ = [
    "Adapter",
    "Alert",
    "Arrival",
    "Checkpoint",
    "Chore",
    "Dataset",
    "DatasetVersion",
    "Ladder",
    "Measurement",
    "MixedVersion",
    "Point",
    "PointBlock",
    "Price",
    "Run",
    "RunEvent",
    "SampleAnswer",
    "Stint",
    "Worker",
    "metadata",
]
