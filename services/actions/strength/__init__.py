"""How strong an action is: the hierarchy, the grade that its wording suggests, and what a weak plan needs."""
