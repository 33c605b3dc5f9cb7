"""The pages: one module per noun, each a thin face over the functions of `studio`."""

from fastapi import APIRouter

from app.pages import (
    adapters,
    arrivals,
    card,
    checks,
    datasets,
    demo,
    fixes,
    guide,
    home,
    hub,
    ladders,
    launch,
    mapping,
    own_test,
    preview,
    prices,
    row_editor,
    rows_editor,
    run,
    run_actions,
    runs,
    searching,
    spending,
    split,
    system,
    theme,
    tokens,
    versions,
)

router = APIRouter(include_in_schema=False)
# Fixed paths come before those with an id.
_OF_DATASETS = (
    mapping,
    arrivals,
    hub,
    datasets,
    searching,
    checks,
    fixes,
    versions,
    row_editor,
    rows_editor,
    own_test,
    split,
    tokens,
    card,
    preview,
)
_OF_RUNS = (launch, ladders, runs, run, run_actions, adapters, prices, spending)
for module in (home, guide, demo, theme, *_OF_DATASETS, *_OF_RUNS, system):
    router.include_router(module.router)

__all__ = [
    "adapters",
    "arrivals",
    "card",
    "checks",
    "datasets",
    "demo",
    "fixes",
    "guide",
    "home",
    "hub",
    "ladders",
    "launch",
    "mapping",
    "own_test",
    "preview",
    "prices",
    "router",
    "row_editor",
    "rows_editor",
    "run",
    "run_actions",
    "runs",
    "searching",
    "spending",
    "split",
    "system",
    "theme",
    "tokens",
    "versions",
]
