"""Ladders: methods tried from the cheapest up, as long as each gain is worth its price."""
