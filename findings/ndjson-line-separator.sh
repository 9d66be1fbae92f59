#!/usr/bin/env bash
# ndjson (PyPI) reads the line separator U+2028 inside a string as a comma: the text "Main St<U+2028>Springfield" comes
# back as "Main St,Springfield", and nothing is raised. Its own writer with ensure_ascii=False, as its README shows it,
# writes such lines, and so does every JSON writer that does not escape: JSON allows the character in a string.
# Expected: lines end at a line feed, as the NDJSON specification says, and a string is read as it is written. The
# reader of the same package, which iterates over a file, reads the same line as it is.
# Ends with 0 while the behaviour is as described.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet ndjson==0.3.1
"$folder/venv/bin/python" - <<'PYTHON'
import io
import sys
from importlib.metadata import version

import ndjson

rows = [{"address": "Main St\u2028Springfield"}, {"address": "Elm St"}]
text = io.StringIO(newline="\n")
writer = ndjson.writer(text, ensure_ascii=False)
for row in rows:
    writer.writerow(row)
loaded = ndjson.loads(text.getvalue())
iterated = list(ndjson.reader(io.StringIO(text.getvalue(), newline="\n")))
print("ndjson", version("ndjson"))
print("written: ", ascii(rows))
print("loads:   ", ascii(loaded))
print("reader:  ", ascii(iterated))
sys.exit(not (loaded[0]["address"] == "Main St,Springfield" and iterated == rows))
PYTHON
