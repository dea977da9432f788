"""Internal fact-finding that waits until somebody outside agrees, as intake's events tell."""
