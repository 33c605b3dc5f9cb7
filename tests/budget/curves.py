"""Simulated curves of training: levels, noise, length and spacing are drawn by a seed."""

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, exp, pi
from random import Random

from studio.budget.watching import Course

Points = list[tuple[int, str, float]]
Of = Callable[[float], float]


@dataclass(frozen=True)
class Curve:
    """The points of one run in the order in which a trainer measures them, and the alert that they call for."""

    name: str
    kind: str | None
    course: Course
    points: Points


@dataclass
class Form:
    """What is drawn for a run; functions are of the share of the run that is done (0 to 1)."""

    rng: Random
    steps: int
    evaluations: int
    start: float
    floor: float
    batch_noise: float
    validation_noise: float
    gradient_noise: float
    rate: float = 2e-4
    usual_rate: float = 2e-4
    schedule: str = "cosine"
    train: Of = lambda share: 0.0
    validation: Of = lambda share: 0.0
    gradient: Of = lambda share: 1.0

    def decay(self, share: float, speed: float) -> float:
        """From the start to the floor."""
        return self.floor + (self.start - self.floor) * exp(-speed * share)

    def learning_rate(self, step: int, warmup: int) -> float:
        """As the usual schedulers have it."""
        if step < warmup:
            return self.rate * step / warmup
        share = (step - warmup) / max(1, self.steps - warmup)
        shapes = {
            "cosine": 0.5 * (1 + cos(pi * share)),
            "linear": 1 - share,
            "constant": 1.0,
            "dead": float(share < 0.3),
        }
        return self.rate * shapes[self.schedule]

    def curve(self, name: str, kind: str | None) -> Curve:
        """Measure it."""
        rng, warmup = self.rng, round(rng_warmup(self.rng) * self.steps)
        every = max(1, -(-self.steps // self.evaluations))
        points: Points = []
        for step in range(1, self.steps + 1):
            share = step / self.steps
            if step == 1:
                points.append((1, "train/loss", self._noisy(self.train(0.0), self.batch_noise)))
                points.append((0, "eval/loss", self.validation(0.0)))
            else:
                points.append((step, "train/loss", self._noisy(self.train(share), self.batch_noise)))
            points.append((step, "train/grad_norm", self.gradient(share) * rng.lognormvariate(0, self.gradient_noise)))
            points.append((step, "train/learning_rate", self.learning_rate(step, warmup)))
            if step % every == 0 or step == self.steps:
                points.append((step, "eval/loss", self._noisy(self.validation(share), self.validation_noise)))
        return Curve(name, kind, Course(self.steps, warmup, self.rate, self.usual_rate), points)

    def _noisy(self, value: float, noise: float) -> float:
        return value * exp(self.rng.gauss(0, noise) - noise**2 / 2)


def rng_warmup(rng: Random) -> float:
    """The share of the run in which the rate rises."""
    return rng.choice([0.0, 0.03, 0.03, 0.05, 0.1])


def drawn(seed: str) -> Form:
    """A run of usual size: 30 to 3,000 steps, 6 to 20 evaluations, loss of 0.8 to 5 at first."""
    rng = Random(seed)
    start = rng.uniform(0.8, 5.0)
    return Form(
        rng=rng,
        steps=round(30 * 100 ** rng.random()),
        evaluations=rng.choice([6, 8, 10, 10, 10, 10, 15, 20]),
        start=start,
        floor=start * rng.uniform(0.1, 0.7),
        batch_noise=rng.uniform(0.02, 0.3),
        validation_noise=rng.choice([0.0005, 0.002, 0.005, 0.01]),
        gradient_noise=rng.uniform(0.1, 0.5),
        schedule=rng.choice(["cosine", "cosine", "linear", "constant"]),
    )


def falls(form: Form, speed: float | None = None, gap: float | None = None) -> None:
    """A run that learns; its validation loss lies above the training loss by the share `gap`."""
    speed = form.rng.uniform(3, 12) if speed is None else speed
    gap = form.rng.uniform(0.0, 0.1) if gap is None else gap
    form.train = lambda share: form.decay(share, speed)
    form.validation = lambda share: form.decay(share, speed) * (1 + gap * min(1.0, 5 * share))
    level = form.rng.uniform(0.1, 5)
    form.gradient = lambda share: level * (0.4 + 0.6 * exp(-4 * share))
