"""How every service runs: database, outbox, inbox, audit, auth, errors, metrics. No word of the business lives here."""
