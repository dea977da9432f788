"""Alembic environment of review."""

from services.runtime.migrate import run_environment

run_environment("review")
