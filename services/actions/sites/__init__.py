"""One action at several locations, and for several incidents."""
