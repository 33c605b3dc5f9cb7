"""Budget: what a run takes in memory, time and money, before and while it runs. Pure, and free of torch."""

from studio.budget.estimate import Caution, Estimate, Fix, Range
from studio.budget.hardware import HARDWARE, ExamplePrice, Hardware, find_hardware

__all__ = ["HARDWARE", "Caution", "Estimate", "ExamplePrice", "Fix", "Hardware", "Range", "find_hardware"]
