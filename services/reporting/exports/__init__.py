"""What leaves for other systems: tables for people with spreadsheets, FHIR, and what changed since one last asked."""
