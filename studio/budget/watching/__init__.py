"""Watches the curves of a run and says what a person should know of them. Pure: alerts follow from points alone."""

from studio.budget.watching.base import Course, Found, course_of
from studio.budget.watching.watch import Watch
from studio.budget.watching.words import Told, say

__all__ = ["Course", "Found", "Told", "Watch", "course_of", "say"]
