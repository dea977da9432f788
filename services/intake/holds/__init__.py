"""Internal fact-finding that waits until the police or an authority agree."""
