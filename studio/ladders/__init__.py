"""Ladders: methods tried from the cheapest up, as long as each gain is worth its price."""

from studio.ladders.climbing import Keep
from studio.ladders.lifecycle import (
    DEFAULT_MIN_GAIN,
    GAIN_FIELD,
    climb_on,
    get_ladder,
    ladder_of,
    list_ladders,
    start_ladder,
    stop_ladder,
)
from studio.ladders.models import Ladder
from studio.ladders.rounds import climb
from studio.ladders.rungs import CHOICES, RUNGS_FIELD, RungChoice, rung_label, specs_of, usual_rungs
from studio.ladders.sights import SeenRung, Sight, sight_of, sights_of
from studio.ladders.standing import Rung, Worth

__all__ = [
    "CHOICES",
    "DEFAULT_MIN_GAIN",
    "GAIN_FIELD",
    "RUNGS_FIELD",
    "Keep",
    "Ladder",
    "Rung",
    "RungChoice",
    "SeenRung",
    "Sight",
    "Worth",
    "climb",
    "climb_on",
    "get_ladder",
    "ladder_of",
    "list_ladders",
    "rung_label",
    "sight_of",
    "sights_of",
    "specs_of",
    "start_ladder",
    "stop_ladder",
    "usual_rungs",
]
