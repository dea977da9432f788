"""Alembic environment of actions."""

from services.runtime.migrate import run_environment

run_environment("actions")
