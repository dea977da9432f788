"""Why it happened, what was learned, and who has learned it."""
