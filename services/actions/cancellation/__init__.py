"""An owner asks that an action be cancelled, with a reason; an approver decides, and every request is kept."""
