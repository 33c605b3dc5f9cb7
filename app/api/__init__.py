"""The JSON API: the same functions as the pages, for programs."""

from fastapi import APIRouter

from app import downloads, exports
from app.api import (
    adapters,
    arrivals,
    base_models,
    caps,
    checklists,
    checks,
    datasets,
    estimates,
    guide,
    history,
    hub,
    ladders,
    mendings,
    methods,
    prices,
    profiles,
    run_actions,
    runs,
    spending,
    splits,
    system,
    trials,
    versions,
)

router = APIRouter()
# Fixed paths come before those with an id.
for _part in (
    guide,
    arrivals,
    hub,
    datasets,
    checks,
    mendings,
    profiles,
    splits,
    versions,
    base_models,
    methods,
    ladders,
    prices,
    spending,
    estimates,
    trials,
    runs,
    run_actions,
    caps,
    checklists,
    history,
    adapters,
    system,
):
    router.include_router(_part.router)
router.include_router(downloads.router)
router.include_router(exports.router)
