"""What it all adds up to, and can we show it."""
