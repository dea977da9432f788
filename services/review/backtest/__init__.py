"""What a draft policy would have changed over past incidents, before anyone publishes it."""
