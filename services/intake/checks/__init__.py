"""Checks: what must be done inside the service in the first hours, each with its time, and what came of it."""
