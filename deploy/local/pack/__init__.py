"""`plumbline pack`: builds an evidence pack by reading the running stack as a person of a role would, and verifies one."""
