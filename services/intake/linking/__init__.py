"""Incidents that belong together: linked by a person, with a reason, seen from both sides."""
