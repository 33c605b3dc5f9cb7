"""Spending: the price table, what finished runs teach the estimates, and what was spent."""

from studio.spending.licenses import check_licenses, license_statement
from studio.spending.models import Price
from studio.spending.quotes import Fitting, MethodOffer, Quote, Refusal
from studio.spending.stints import spent, spent_by_run

__all__ = [
    "Fitting",
    "MethodOffer",
    "Price",
    "Quote",
    "Refusal",
    "check_licenses",
    "license_statement",
    "spent",
    "spent_by_run",
]
