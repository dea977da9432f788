"""How long records are kept, what must not be erased, and what is erased once a person has said so."""
