"""Somebody independent looks whether what is said to be done is there in practice, and looks again later."""
