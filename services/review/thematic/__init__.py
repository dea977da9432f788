"""Several incidents looked at together: what they have in common across services, and what is to change for all."""
