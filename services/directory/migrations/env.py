"""Alembic environment of directory."""

from services.runtime.migrate import run_environment

run_environment("directory")
