"""What an action is agreed with: what it answers, what proves it, what it waits for, what protects people meanwhile."""
