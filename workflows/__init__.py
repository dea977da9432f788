"""What happens next, and when. State that matters to people lives in the services; here is the durable process."""
