"""What is asked after the first report, who was affected, and what happened to them or there before."""
