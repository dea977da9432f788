"""More time: asked for with a reason, decided by somebody else, counted and limited."""
