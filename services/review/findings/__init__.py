"""An answer to each finding of the quality gate: it was mended, or somebody said why it stands."""
