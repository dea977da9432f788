"""What the services say to one another: events, activities, taxonomies. Pure models, no I/O, no import from any service."""
