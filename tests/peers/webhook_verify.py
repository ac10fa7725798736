"""Verifies webhooks with PyPI's standardwebhooks: one JSON object a line on stdin, one verdict a line on stdout.

Line: {"secret", "headers": {...}, "body": text}. Verdict: "ok", or why not.
"""

import json
import sys

from standardwebhooks.webhooks import Webhook

for line in sys.stdin:
    said = json.loads(line)
    try:
        Webhook(said["secret"]).verify(said["body"].encode(), said["headers"])
        print("ok")
    except Exception as error:  # the verdict, whatever it is
        print(f"{type(error).__name__}: {error}")
