"""Keep the schemas as they are now as the released ones: `python -m tests.contract.release`. At a release only."""

import json

from services.contracts.generate import schema_of
from services.contracts.topics import EVENTS
from tests.contract.test_events import RELEASED

if __name__ == "__main__":
    RELEASED.write_text(json.dumps({t: schema_of(e) for t, e in sorted(EVENTS.items())}, indent=1) + "\n")
