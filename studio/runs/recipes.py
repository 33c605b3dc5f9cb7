"""Recipes: named starting points, each a partial RunSpec that fills the launch form."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Recipe:
    """A name, a sentence that says when to take it, and the parts of a spec that it sets."""

    id: str
    label: str
    hint: str
    parts: dict[str, Any]


RECIPES: tuple[Recipe, ...] = (
    Recipe(
        "demo",
        "Demo on a CPU",
        "The bundled toy model on the bundled support tickets: about 2 minutes on two cores.",
        {
            "base_model": {"id": "demo"},
            "data": {"max_length_tokens": 256},
            "method": {"kind": "qlora"},
            "hyperparameters": {
                "learning_rate": 3e-3,
                "epochs": 3.0,
                "batch_size": 16,
                "gradient_accumulation_steps": 1,
            },
            "evaluation": {"sample_prompts": 4, "sample_tokens": 48},
        },
    ),
    Recipe(
        "quick",
        "Quick look",
        "20 steps of QLoRA: does it run, does the loss fall? Costs cents.",
        {"method": {"kind": "qlora"}, "hyperparameters": {"max_steps": 20}, "data": {"max_train_rows": 500}},
    ),
    Recipe(
        "balanced",
        "Balanced",
        "QLoRA at rank 16 for 3 epochs: the usual first real run.",
        {"method": {"kind": "qlora", "rank": 16, "alpha": 32}, "hyperparameters": {"epochs": 3.0}},
    ),
    Recipe(
        "thorough",
        "Thorough",
        "LoRA at rank 32 over a 16-bit base, a lower learning rate and more epochs.",
        {
            "method": {"kind": "lora", "rank": 32, "alpha": 64},
            "hyperparameters": {"epochs": 5.0, "learning_rate": 1e-4, "warmup_fraction": 0.05},
        },
    ),
)


def get_recipe(recipe_id: str) -> Recipe | None:
    """The recipe of that id."""
    return next((recipe for recipe in RECIPES if recipe.id == recipe_id), None)
