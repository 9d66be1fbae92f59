#!/usr/bin/env bash
# The package uuid7 (PyPI) makes identifiers that carry version 7 but a different time format: read as RFC 9562 says,
# they come from the 23rd century, and beside version 7 identifiers of uuid6 or npm's uuid they always sort last.
# Expected: version 7 means one layout (RFC 9562: the first 48 bits are Unix milliseconds), so identifiers of several
# services sort by time together. The package follows an early draft, whose first 36 bits are Unix seconds.
# Ends with 0 while the behaviour is as described.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet uuid7==0.1.0 uuid6==2025.0.1
"$folder/venv/bin/python" - <<'PYTHON'
import sys
import time
from datetime import datetime, timedelta, timezone
from importlib.metadata import version
from uuid import UUID

import uuid6
import uuid_extensions


def made(identifier: UUID) -> datetime:
    """When the identifier was made by the layout of RFC 9562."""
    return datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(milliseconds=identifier.int >> 80)


earlier = uuid_extensions.uuid7()
time.sleep(0.01)
later = UUID(int=uuid6.uuid7().int)
print("uuid7", version("uuid7"), "made first: ", earlier, "version", earlier.version, made(earlier).date())
print("uuid6", version("uuid6"), "made second:", later, "version", later.version, made(later).date())
ahead = (made(earlier) - made(later)).days // 365
print("years between them by RFC 9562:", ahead, "| the earlier one sorts first:", earlier < later)
sys.exit((earlier.version, later.version, ahead > 100, earlier < later) != (7, 7, True, False))
PYTHON
