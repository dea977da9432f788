"""What happened, and who must know now."""
