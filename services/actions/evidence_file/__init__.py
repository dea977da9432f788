"""Files of a piece of evidence."""
