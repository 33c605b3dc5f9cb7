"""What a kind of alert is: a look at the points so far, and words for what it finds."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from studio.budget.watching.heard import Heard
from studio.runs.plan import Plan
from studio.runs.spec import RunSpec

Facts = Mapping[str, float]
Severity = Literal["bad", "warn"]


@dataclass(frozen=True, slots=True)
class Course:
    """What a run sets out to do: its steps, those in which its learning rate rises, and its highest learning rate.

    `usual_rate` is the learning rate that is usual for its method.
    """

    steps: int
    warmup_steps: int
    learning_rate: float
    usual_rate: float


@dataclass(frozen=True, slots=True)
class Found:
    """An alert: its kind, the step of the point that showed it, and the numbers that its words need."""

    kind: str
    step: int
    facts: dict[str, float]


class Alerting(ABC):
    """A kind of alert. It looks at what was heard after each point of a metric that it names.

    A kind is told at most once; one that is `silenced_by` a kind that was told has nothing to add to it.
    """

    kind: ClassVar[str]
    title: ClassVar[str]
    severity: ClassVar[Severity] = "warn"
    metrics: ClassVar[tuple[str, ...]] = ()
    silenced_by: ClassVar[tuple[str, ...]] = ()

    def __init__(self, course: Course) -> None:
        self.course = course

    @abstractmethod
    def look(self, heard: Heard) -> dict[str, float] | None:
        """The facts of an alert, or None while there is none; cheap, since it is asked at every step."""

    @classmethod
    def title_of(cls, *, is_over: bool) -> str:
        """The title; of a kind that foretells, another one once the run is over."""
        return cls.title

    @staticmethod
    @abstractmethod
    def cause(facts: Facts) -> str:
        """What is seen, and what that means."""

    @classmethod
    def past_cause(cls, facts: Facts) -> str:
        """The same once the run is over."""
        return cls.cause(facts)

    @staticmethod
    @abstractmethod
    def stop(facts: Facts) -> str:
        """What to do while the run goes on; it may be followed by other settings to run again with."""

    @staticmethod
    def advice(facts: Facts) -> str:
        """What else helps, as a sentence; it holds after the run, too."""
        return ""


def course_of(spec: RunSpec, plan: Plan) -> Course:
    """The course of a run; the trainer's schedule rounds its warm-up in the same way."""
    return Course(
        steps=plan.steps,
        warmup_steps=round(spec.hyperparameters.warmup_fraction * plan.steps),
        learning_rate=spec.learning_rate,
        usual_rate=spec.method.default_learning_rate,
    )
