"""What contributed, in people's own words and in the work system; and aids for asking why once more."""
