"""Filters of the list of incidents that somebody keeps under a name, for themselves."""
