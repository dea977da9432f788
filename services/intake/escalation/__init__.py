"""The ladder: who must know now, and up the line until a person answers."""
