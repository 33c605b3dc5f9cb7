"""Spending: the price table, what finished runs teach the estimates, and what was spent."""
