"""Learning goes out, is understood, and is remembered."""
