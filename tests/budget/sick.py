"""Sick curves, by the alert that they call for."""

from collections.abc import Iterator
from math import exp

from tests.budget.curves import Curve, Form, Of, drawn, falls


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
    falls(form)
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
    falls(form)


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


def sick_curves(first_seed: int, of_each: int) -> Iterator[Curve]:
    """So many of each kind of alert, its forms in turn."""
    for kind, shapes in SICK.items():
        for seed in range(first_seed, first_seed + of_each):
            form = drawn(f"{kind} {seed}")
            shapes[seed % len(shapes)](form)
            yield form.curve(f"{kind} {seed}", kind)
