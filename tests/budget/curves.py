"""Simulated curves of training, healthy and sick: levels, noise, length and spacing are drawn by a seed."""

from collections.abc import Callable, Iterator
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


def _falls(form: Form, speed: float | None = None, gap: float | None = None) -> None:
    speed = form.rng.uniform(3, 12) if speed is None else speed
    gap = form.rng.uniform(0.0, 0.1) if gap is None else gap
    form.train = lambda share: form.decay(share, speed)
    form.validation = lambda share: form.decay(share, speed) * (1 + gap * min(1.0, 5 * share))
    level = form.rng.uniform(0.1, 5)
    form.gradient = lambda share: level * (0.4 + 0.6 * exp(-4 * share))


# --- healthy ---------------------------------------------------------------------------------------------------------


def _plain(form: Form) -> None:
    _falls(form, gap=0.0)


def _noisy_batches(form: Form) -> None:
    form.batch_noise, form.gradient_noise = form.rng.uniform(0.4, 0.8), form.rng.uniform(0.4, 0.9)
    _falls(form)


def _early_plateau(form: Form) -> None:
    """All is learned in the first tenth; the rest is flat."""
    _falls(form, speed=form.rng.uniform(25, 60), gap=0.0)


def _slow(form: Form) -> None:
    """A fall of 10 to 25 percent over the whole run, at a constant pace."""
    fall = form.rng.uniform(0.1, 0.25)
    form.validation_noise = min(form.validation_noise, 0.005)
    form.train = form.validation = lambda share: form.start * (1 - fall * share)


def _warmup_bump(form: Form) -> None:
    _falls(form)
    train, validation, height = form.train, form.validation, form.rng.uniform(0.1, 0.3)
    form.train = lambda share: train(share) * (1 + height * exp(-(((share - 0.03) / 0.02) ** 2)))
    form.validation = lambda share: validation(share) * (1 + height * exp(-(((share - 0.03) / 0.02) ** 2)))


def _one_spike(form: Form) -> None:
    """A batch that throws the loss up for a few steps, and the gradient with it."""
    _falls(form)
    train, gradient, at = form.train, form.gradient, form.rng.uniform(0.2, 0.9)
    width = max(2 / form.steps, 0.004)
    form.train = lambda share: train(share) + (3.0 if 0 <= share - at < width else 0.0)
    form.gradient = lambda share: gradient(share) * (30 if 0 <= share - at < width else 1)


def _classification(form: Form) -> None:
    """A few label tokens: the loss goes honestly to about 0.02, with heavy tails all the way."""
    form.start, form.floor = form.rng.uniform(0.5, 2.0), form.rng.uniform(0.015, 0.03)
    form.batch_noise, form.gradient_noise, form.validation_noise = 0.8, 0.9, 0.05
    _falls(form, speed=form.rng.uniform(6, 12), gap=0.1)
    level = form.rng.uniform(1, 5)
    # Most answers are right by the end, and one in thirty is as wrong as in the beginning.
    form.gradient = lambda share: level * (1.0 if form.rng.random() < 0.03 else 0.02 + exp(-8 * share))


def _prompt_tuning(form: Form) -> None:
    """Nothing for up to a quarter of the run, then an S."""
    form.rate = form.usual_rate = 1e-2
    begins, bump = form.rng.uniform(0.1, 0.25), form.rng.uniform(0.0, 0.1)

    def level(share: float) -> float:
        fallen = 1 / (1 + exp(-(share - begins - 0.12) / 0.04))
        return form.start - (form.start - form.floor) * fallen + bump * form.start * exp(-share / 0.05) * (share > 0)

    form.train = form.validation = level


def _epochs(form: Form) -> None:
    """Three epochs: training falls by stairs and climbs within them; validation ends a percent above its best."""
    stairs = form.rng.uniform(0.1, 0.35)

    def train(share: float) -> float:
        epoch = min(2, int(3 * share))
        climb = 0.1 * (3 * share - epoch) if epoch else 0.0
        return form.decay(share, 6) * (1 - stairs) ** epoch * (1 + climb)

    best = form.rng.uniform(0.5, 0.8)
    form.validation_noise = min(form.validation_noise, 0.005)
    form.train = train
    form.validation = lambda share: form.decay(min(share, best), 6) * (1 + 0.012 * max(0.0, share - best) / (1 - best))


def _small_validation(form: Form) -> None:
    """A dozen validation rows: the loss jumps by a tenth between evaluations."""
    form.validation_noise = form.rng.uniform(0.05, 0.12)
    _falls(form, gap=0.0)


def _few_evaluations(form: Form) -> None:
    """Two or three evaluations: whatever they say may be chance."""
    form.steps, form.evaluations = form.rng.randint(8, 40), form.rng.choice([1, 2, 3])
    form.validation_noise = 0.05
    _falls(form)


def _good_already(form: Form) -> None:
    """The base model does the task already; little is left."""
    form.start = form.rng.uniform(0.03, 0.09)
    form.floor = form.start * form.rng.uniform(0.7, 0.98)
    form.batch_noise = 0.6
    _falls(form, gap=0.0)


HEALTHY = {
    "plain": _plain,
    "noisy batches": _noisy_batches,
    "early plateau": _early_plateau,
    "slow": _slow,
    "warm-up bump": _warmup_bump,
    "one spike": _one_spike,
    "classification": _classification,
    "prompt tuning": _prompt_tuning,
    "epochs": _epochs,
    "small validation": _small_validation,
    "few evaluations": _few_evaluations,
    "good already": _good_already,
}


# --- sick ------------------------------------------------------------------------------------------------------------


def _overfitting(form: Form) -> None:
    """Validation turns at a fifth to six tenths of the run and ends 8 to 100 percent above its best."""
    turn, rise = form.rng.uniform(0.2, 0.6), form.rng.uniform(0.08, 1.0)
    power, down = form.rng.uniform(0.8, 1.5), form.rng.uniform(2, 5)
    form.evaluations, form.steps = max(8, form.evaluations), max(60, form.steps)
    form.floor = max(form.floor, 0.3)
    best = form.decay(turn, 4)
    form.train = lambda share: form.decay(share, 4) if share < turn else best * exp(-down * (share - turn))
    form.validation = lambda share: (
        form.decay(share, 4) if share < turn else best * (1 + rise * ((share - turn) / (1 - turn)) ** power)
    )


def _flat(form: Form) -> None:
    form.evaluations = max(6, form.evaluations)
    form.validation_noise = form.rng.choice([0.0005, 0.001, 0.003])
    form.train = form.validation = lambda share: form.start * (1 - 0.004 * share)


def _both_rise(form: Form) -> None:
    """From the beginning or after a fall, by 10 to 30 percent: too little for an explosion."""
    turn, rise = form.rng.choice([0.0, form.rng.uniform(0.1, 0.3)]), form.rng.uniform(0.12, 0.3)
    form.batch_noise, form.steps = form.rng.uniform(0.02, 0.15), max(80, form.steps)
    form.evaluations = max(8, form.evaluations)
    best = form.decay(turn, 4)
    level: Of = lambda share: form.decay(share, 4) if share < turn else best * (1 + rise * (share - turn) / (1 - turn))  # noqa: E731
    form.train, form.validation = level, level


def _diverges(form: Form) -> None:
    """Falls for a while, then goes to where random answers lie, within a hundredth to a tenth of the run."""
    at, width = form.rng.uniform(0.02, 0.7), form.rng.uniform(0.01, 0.1)
    top = max(form.start * form.rng.uniform(1.6, 3), 2.5)
    form.steps = max(40, form.steps)

    def level(share: float) -> float:
        return form.decay(share, 5) + (top - form.decay(share, 5)) / (1 + exp(-(share - at - 2 * width) / (width / 3)))

    form.train = form.validation = level


def _spikes(form: Form) -> None:
    """One in ten to one in thirty gradients is 15 to 200 times as long."""
    form.steps = max(200, form.steps)
    form.gradient_noise = form.rng.uniform(0.1, 0.4)
    _falls(form)
    often, gradient = form.rng.uniform(0.03, 0.1), form.gradient
    form.gradient = lambda share: gradient(share) * (form.rng.uniform(15, 200) if form.rng.random() < often else 1)


def _dead_by_size(form: Form) -> None:
    """A rate a thousand to a hundred thousand times too small."""
    form.rate = form.usual_rate * 10 ** -form.rng.uniform(3, 5)
    form.validation_noise = 0.0
    form.evaluations = max(5, form.evaluations)
    form.train = form.validation = lambda share: form.start * (1 - 0.001 * share)


def _dead_by_schedule(form: Form) -> None:
    form.schedule = "dead"
    _falls(form)


def _by_heart(form: Form) -> None:
    """Learned by heart: training goes to nothing, validation stays high."""
    form.steps, floor, speed = max(60, form.steps), form.rng.uniform(0.0002, 0.006), form.rng.uniform(12, 30)
    form.train = lambda share: floor + form.start * exp(-speed * share)
    form.validation = lambda share: form.start * (0.5 + 0.4 * share)


def _given_away(form: Form) -> None:
    form.steps, speed = max(60, form.steps), form.rng.uniform(12, 30)
    form.train = form.validation = lambda share: 0.0003 + form.start * exp(-speed * share)


def _masked(form: Form) -> None:
    form.train = form.validation = lambda share: 0.0
    form.gradient = lambda share: 0.0


SICK = {
    "overfitting": (_overfitting,),
    "not_learning": (_flat, _both_rise),
    "divergence": (_diverges,),
    "gradient_spikes": (_spikes,),
    "dead_learning_rate": (_dead_by_size, _dead_by_schedule),
    "zero_loss": (_by_heart, _given_away, _masked),
}


def healthy_curves(first_seed: int, of_each: int) -> Iterator[Curve]:
    """So many of each form."""
    for name, shape in HEALTHY.items():
        for seed in range(first_seed, first_seed + of_each):
            form = drawn(f"{name} {seed}")
            shape(form)
            yield form.curve(f"{name} {seed}", None)


def sick_curves(first_seed: int, of_each: int) -> Iterator[Curve]:
    """So many of each kind of alert, its forms in turn."""
    for kind, shapes in SICK.items():
        for seed in range(first_seed, first_seed + of_each):
            form = drawn(f"{kind} {seed}")
            shapes[seed % len(shapes)](form)
            yield form.curve(f"{kind} {seed}", kind)
