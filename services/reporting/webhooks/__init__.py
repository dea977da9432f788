"""Signed calls to systems outside: what happened, in order, at least once, without a word that people wrote."""
