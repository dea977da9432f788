"""What changes, was it done, did it work."""
