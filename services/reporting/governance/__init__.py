"""The governance cycle: meetings with frozen agendas, decisions, challenge and response."""
