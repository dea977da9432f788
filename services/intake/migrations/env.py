"""Alembic environment of intake."""

from services.runtime.migrate import run_environment

run_environment("intake")
