"""Contracts with commissioners: who is to be told of what, within how many hours."""
