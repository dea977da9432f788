"""Who outside must be told of an incident, on what ground, by when, and the proof that they were."""
