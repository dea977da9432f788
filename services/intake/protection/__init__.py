"""What is done to protect people after an incident and must be looked at again: a restriction, or a plan for people who harmed one another."""
