"""Temporal's server on PostgreSQL, as `deploy/compose` runs it."""
