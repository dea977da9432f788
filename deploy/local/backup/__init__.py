"""Backup, restore, and the drill that proves them: PostgreSQL and the files; everything else is built anew from these."""
