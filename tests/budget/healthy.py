"""Healthy curves, most of them hard to tell from sick ones."""

from collections.abc import Iterator
from math import exp

from tests.budget.curves import Curve, Form, drawn, falls


def _plain(form: Form) -> None:
    falls(form, gap=0.0)


def _noisy_batches(form: Form) -> None:
    form.batch_noise, form.gradient_noise = form.rng.uniform(0.4, 0.8), form.rng.uniform(0.4, 0.9)
    falls(form)


def _early_plateau(form: Form) -> None:
    """All is learned in the first tenth; the rest is flat."""
    falls(form, speed=form.rng.uniform(25, 60), gap=0.0)


def _slow(form: Form) -> None:
    """A fall of 10 to 25 percent over the whole run, at a constant pace."""
    fall = form.rng.uniform(0.1, 0.25)
    form.validation_noise = min(form.validation_noise, 0.005)
    form.train = form.validation = lambda share: form.start * (1 - fall * share)


def _warmup_bump(form: Form) -> None:
    falls(form)
    train, validation, height = form.train, form.validation, form.rng.uniform(0.1, 0.3)
    form.train = lambda share: train(share) * (1 + height * exp(-(((share - 0.03) / 0.02) ** 2)))
    form.validation = lambda share: validation(share) * (1 + height * exp(-(((share - 0.03) / 0.02) ** 2)))


def _one_spike(form: Form) -> None:
    """A batch that throws the loss up for a few steps, and the gradient with it."""
    falls(form)
    train, gradient, at = form.train, form.gradient, form.rng.uniform(0.2, 0.9)
    width = max(2 / form.steps, 0.004)
    form.train = lambda share: train(share) + (3.0 if 0 <= share - at < width else 0.0)
    form.gradient = lambda share: gradient(share) * (30 if 0 <= share - at < width else 1)


def _classification(form: Form) -> None:
    """A few label tokens: the loss goes honestly to about 0.02, with heavy tails all the way."""
    form.start, form.floor = form.rng.uniform(0.5, 2.0), form.rng.uniform(0.015, 0.03)
    form.batch_noise, form.gradient_noise, form.validation_noise = 0.8, 0.9, 0.05
    falls(form, speed=form.rng.uniform(6, 12), gap=0.1)
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
    falls(form, gap=0.0)


def _few_evaluations(form: Form) -> None:
    """Two or three evaluations: whatever they say may be chance."""
    form.steps, form.evaluations = form.rng.randint(8, 40), form.rng.choice([1, 2, 3])
    form.validation_noise = 0.05
    falls(form)


def _good_already(form: Form) -> None:
    """The base model does the task already; little is left."""
    form.start = form.rng.uniform(0.03, 0.09)
    form.floor = form.start * form.rng.uniform(0.7, 0.98)
    form.batch_noise = 0.6
    falls(form, gap=0.0)


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


def healthy_curves(first_seed: int, of_each: int) -> Iterator[Curve]:
    """So many of each form."""
    for name, shape in HEALTHY.items():
        for seed in range(first_seed, first_seed + of_each):
            form = drawn(f"{name} {seed}")
            shape(form)
            yield form.curve(f"{name} {seed}", None)
