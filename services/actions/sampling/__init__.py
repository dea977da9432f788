"""Samples that the system draws, so that nobody picks what suits the result."""
