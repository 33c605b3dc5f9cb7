"""What a trial run found, in the words of its page."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from app.amounts import dollars_between, gib, short_count, time_between
from app.render import duration, file_size
from studio.runs import Run

# How far the full run may be from what its trial says of it.
_LOW, _HIGH = 0.9, 1.1
_HOUR = 3600
_NEARLY_FULL = 0.95


@dataclass(frozen=True, slots=True)
class Found:
    """One line of the report."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class TrialView:
    """The report: what the full run will take (empty where that is not known), memory, lines and problems.

    `memory_share` is between 0 and 1, None where the memory of the hardware is not known.
    """

    hours: str
    money: str
    told_before: str
    memory: str
    memory_share: float | None
    is_tight: bool
    lines: tuple[Found, ...]
    problems: tuple[str, ...]


def trial_view(run: Run) -> TrialView | None:
    """None for a run that is no trial, and for a trial that has not reported."""
    report = run.trial
    if run.kind != "trial" or not report:
        return None
    hours, money = _forecast(report)
    peak, there = report.get("peak_memory_bytes"), report.get("memory_bytes")
    share = min(1.0, peak / there) if peak and there else None
    return TrialView(
        hours=hours,
        money=money,
        told_before=_told_before(run.quote or {}),
        memory=f"{gib(peak)} GiB" + (f" of {gib(there)} GiB" if there else ""),
        memory_share=share,
        is_tight=share is not None and share > _NEARLY_FULL,
        lines=tuple(_lines(report)),
        problems=tuple(report.get("problems", ())),
    )


def _forecast(report: Mapping[str, Any]) -> tuple[str, str]:
    forecast, hourly = report.get("forecast"), report.get("dollars_per_hour")
    if not forecast:
        return "", ""
    low, high = _LOW * forecast["seconds"], _HIGH * forecast["seconds"]
    money = dollars_between(low / _HOUR * hourly, high / _HOUR * hourly) if hourly else ""
    return time_between(low, high), money


def _told_before(quote: Mapping[str, Any]) -> str:
    seconds = (quote.get("estimate") or {}).get("seconds")
    return time_between(seconds["low"], seconds["high"]) if seconds else ""


def _lines(report: Mapping[str, Any]) -> Iterator[Found]:
    steps, longest = report["ordinary_steps"], report["longest_steps"]
    if steps:
        speed = f"{short_count(report['tokens_per_second'])} tokens a second"
        yield Found("A step of the run", _seconds(report["step_seconds"]), f"from {steps} steps, {speed}")
    if longest:
        tokens = f"{report['longest_tokens']:,} tokens in the longest row"
        yield Found(
            "A step on the longest rows", _seconds(report["longest_step_seconds"]), f"{longest} steps, {tokens}"
        )
    if "evaluation_seconds" in report:
        whole = report["evaluated_share"] >= 1
        note = f"{report['validation_rows']:,} rows" + (
            "" if whole else f", counted from {100 * report['evaluated_share']:.0f} %"
        )
        yield Found("An evaluation", _seconds(report["evaluation_seconds"]), note)
    if report.get("answers"):
        note = f"{report['answers']} prompts; a trained model often stops sooner"
        yield Found("Sample answers", _seconds(report["answers_seconds"]), note)
    if "checkpoint_seconds" in report:
        yield Found("A checkpoint", _seconds(report["checkpoint_seconds"]), file_size(report["checkpoint_bytes"]))
        same = "the same answers, word for word" if report["same_answers"] else "the same numbers within rounding"
        yield Found("Loading it into a fresh model", _seconds(report["reload_seconds"]), same)


def _seconds(value: float) -> str:
    return duration(value) if value >= 10 else f"{value:.2g} s" if value >= 0.0995 else f"{1000 * value:.2g} ms"
