"""What decides how deep a review goes beside the triage: repeats, obligations, safeguarding, candour, restriction, holds."""
