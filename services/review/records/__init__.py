"""What a review is drawn from: its terms, the timeline, the people involved, and what each of them contributed."""
