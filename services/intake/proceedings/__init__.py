"""Discipline, police, inquest and claim: processes of their own, apart from the learning of an incident."""
