"""The services of Plumbline, and what they share."""

import gc

# Loading a service makes a quarter of a million objects that live as long as its process. With Python's own thresholds they
# are looked through for garbage again and again, which is a fifth of the time to start, and long pauses later.
gc.set_threshold(50_000, 20, 20)
