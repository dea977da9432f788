"""Who owns what: covers while somebody is away, the line above them, and handing over when they leave."""
