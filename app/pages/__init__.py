"""The pages: one module per noun, each a thin face over the functions of `studio`."""

from fastapi import APIRouter

from app.pages import adapters, card, checks, datasets, demo, home, launch, run, run_actions, runs, split, system, theme

router = APIRouter(include_in_schema=False)
# Fixed paths come before those with an id.
for module in (home, demo, theme, datasets, checks, card, split, launch, runs, run, run_actions, adapters, system):
    router.include_router(module.router)

__all__ = [
    "adapters",
    "card",
    "checks",
    "datasets",
    "demo",
    "home",
    "launch",
    "router",
    "run",
    "run_actions",
    "runs",
    "split",
    "system",
    "theme",
]
