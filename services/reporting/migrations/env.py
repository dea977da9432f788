"""Alembic environment of reporting."""

from services.runtime.migrate import run_environment

run_environment("reporting")
