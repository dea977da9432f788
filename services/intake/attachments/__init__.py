"""Photos and documents of an incident: kept outside the database, known by their checksum."""
