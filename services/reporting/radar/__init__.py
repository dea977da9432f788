"""The weakness radar: where the chain is walked without anything coming of it, each finding with the records behind it."""
