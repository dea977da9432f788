"""A made-up year of a provider, with patterns planted in it, and how many of them are found."""
