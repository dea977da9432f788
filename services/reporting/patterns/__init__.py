"""Patterns: found by rules and statistics, explained by their members and figures, decided by people."""
