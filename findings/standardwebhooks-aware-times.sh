#!/usr/bin/env bash
# standardwebhooks (PyPI) signs the wall clock of the time it is given, not the moment: the same moment written in UTC
# and at +02:00 yields two signatures, and a receiver that is sent the Unix time of the message refuses the second
# one.
# Expected: a time that names its offset is one moment, and Webhook.sign() depends on that moment alone.
# Ends with 0 while the behaviour is as described.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet standardwebhooks==1.1.0
"$folder/venv/bin/python" - <<'PYTHON'
import base64
import sys
from datetime import datetime, timedelta, timezone
from importlib.metadata import version

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

webhook = Webhook("whsec_" + base64.b64encode(b"a key for this example only").decode())
body = '{"type":"order.paid"}'
in_utc = datetime.now(timezone.utc).replace(microsecond=0)
in_summer_time = in_utc.astimezone(timezone(timedelta(hours=2)))


def verified(moment: datetime) -> bool:
    """Whether the receiver takes the message whose header holds the Unix time of the moment."""
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(int(moment.timestamp())),
               "webhook-signature": webhook.sign("msg_1", moment, body)}
    try:
        webhook.verify(body, headers)
    except WebhookVerificationError as problem:
        print(" ", problem)
        return False
    return True


print("standardwebhooks", version("standardwebhooks"))
print("the same moment:", in_utc == in_summer_time)
seen = []
for moment in (in_utc, in_summer_time):
    seen.append(verified(moment))
    print("signed at offset", moment.strftime("%z"), "| verified:", seen[-1])
sys.exit(seen != [True, False])
PYTHON
