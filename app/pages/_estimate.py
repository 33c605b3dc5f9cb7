"""The estimate as the launch form draws it: a stacked bar of memory, and words for what a person decides by."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.amounts import dollars_between, gib, short_memory, time_between
from app.forms import field_labels
from studio.budget.capping import Spent, cap_of, words_of_cap
from studio.runs.spec_limits import Budget
from studio.spending import Quote

FIT_WORDS = {"fits": "Fits", "tight": "Tight", "does_not_fit": "Does not fit"}
_PART_WORDS = {
    "weights": "Base weights",
    "adapter": "Adapter",
    "gradients": "Gradients",
    "optimizer": "Optimizer",
    "activations": "Activations",
    "logits": "Logits and loss",
    "context": "The programs themselves",
    "slack": "Reserve of the allocator",
}


@dataclass(frozen=True, slots=True)
class Segment:
    """One part of the bar; `x` and `width` are percentages of its length."""

    key: str
    label: str
    size_bytes: int
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class MemoryBar:
    """What a run needs against what the hardware has; `limit` is where that ends, in percent of the bar's length."""

    segments: tuple[Segment, ...]
    limit: float
    words: str


def memory_bar(parts: Mapping[str, int], total: int, available: int) -> MemoryBar:
    """Draw parts that sum up to a total; the bar is as long as the larger of need and hardware."""
    length = max(total, available, 1)
    segments, begin = [], 0
    for key, size in parts.items():
        x, width = 100 * begin / length, 100 * size / length
        segments.append(Segment(key, _PART_WORDS.get(key, key.capitalize()), size, round(x, 2), round(width, 2)))
        begin += size
    words = f"About {gib(total)} of {gib(available)} GiB: " + ", ".join(
        f"{segment.label.lower()} {short_memory(segment.size_bytes)}" for segment in segments if segment.size_bytes
    )
    return MemoryBar(tuple(segments), round(100 * available / length, 2), words)


def bar_of(quote: Quote | None) -> MemoryBar | None:
    """The bar of a quote; None where memory or hardware is not known."""
    found = quote.estimate if quote else None
    if found is None or found.memory_bytes is None or found.available_bytes is None:
        return None
    return memory_bar(found.memory_parts, found.memory_bytes, found.available_bytes)


def price_words(quote: Quote | None, budget: Budget | None) -> str:
    """What the run comes to, for the launch button: its cap where that ends it, else money or time, if known."""
    found = quote.estimate if quote else None
    cap = cap_of(budget, Spent(), found.dollars_per_hour) if found and budget else None
    if budget and cap and found and found.seconds and cap.seconds < found.seconds.high:
        return f"at most {words_of_cap(budget, cap.by)}"
    if found and found.dollars:
        return dollars_between(found.dollars.low, found.dollars.high)
    return time_between(found.seconds.low, found.seconds.high) if found and found.seconds else ""


def summary_of(quote: Quote | None) -> str:
    """The estimate in one line, for those who listen to the page."""
    if quote is None:
        return ""
    if quote.refusals:
        return quote.refusals[0].sentence
    found = quote.estimate
    if found is None:
        return quote.problem
    said = []
    if found.fit and found.memory_bytes and found.available_bytes:
        said.append(f"{FIT_WORDS[found.fit]}: about {gib(found.memory_bytes)} of {gib(found.available_bytes)} GiB.")
    if found.seconds:
        said.append(f"{time_between(found.seconds.low, found.seconds.high)}.")
    if found.dollars:
        said.append(f"{dollars_between(found.dollars.low, found.dollars.high)}.")
    return " ".join(part[:1].upper() + part[1:] for part in said)


def first_of(blockers: Mapping[str, str]) -> str:
    """The first sentence that keeps the numbers back, with the name of its field; empty without any."""
    for name, sentence in blockers.items():
        label = field_labels().get(name)
        return f"{label}: {sentence}" if label else sentence
    return ""
