"""An aid for whoever has a concern about one person's part: restricted, every reading logged, never part of the review."""
