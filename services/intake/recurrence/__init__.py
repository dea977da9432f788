"""Whether something that was closed has come back: found at triage, explained, and asked of a person."""
