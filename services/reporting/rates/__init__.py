"""How often it happens for the care that was given, month by month, with what chance explains."""
