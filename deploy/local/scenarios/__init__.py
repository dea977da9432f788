"""Playable scenarios: a case of the field as a file, checked and played through the HTTP APIs. See docs/scenarios.md."""
