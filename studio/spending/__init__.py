"""Spending: the price table, what finished runs teach the estimates, and what was spent."""

from studio.spending.licenses import check_licenses, license_statement
from studio.spending.models import Price
from studio.spending.quotes import Fitting, MethodOffer, Quote, Refusal
from studio.spending.stints import Total, lines, spent, spent_before, spent_by_run, totals

__all__ = [
    "Fitting",
    "MethodOffer",
    "Price",
    "Quote",
    "Refusal",
    "Total",
    "check_licenses",
    "license_statement",
    "lines",
    "spent",
    "spent_before",
    "spent_by_run",
    "totals",
]
