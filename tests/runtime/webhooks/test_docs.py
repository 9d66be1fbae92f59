"""The receivers of docs/webhooks.md take what the engine signs, and nothing else; its settings can be read."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from avtomat.runtime.standard_webhooks import signature
from avtomat.settings_loader import load_settings
from tests.runtime.webhooks.office import KEY, NEXT_KEY

PAGE = (Path(__file__).parents[3] / "docs/webhooks.md").read_text("utf-8")
BODY = '{"type": "job.finished", "data": {"text": "Ü\\n"}}'.encode()
Message = tuple[dict[str, str], bytes]


def block(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1]


def message(at: int, *secrets: str) -> Message:
    made = [f"v1,{signature(secret, b'00ab_3', str(at).encode(), BODY)}" for secret in secrets]
    return {"webhook-id": "00ab_3", "webhook-timestamp": str(at), "webhook-signature": " ".join(made)}, BODY


def in_python(found: Message) -> bool:
    names: dict[str, object] = {}
    exec(block("python"), names)
    return bool(names["is_genuine"](KEY, *found))  # type: ignore[operator]


def in_javascript(found: Message) -> bool:
    headers, body = found
    call = f"isGenuine({json.dumps(KEY)}, {json.dumps(headers)}, Buffer.from({json.dumps(body.hex())}, 'hex'))"
    run = subprocess.run(
        ["node", "-e", f"{block('js')}\nprocess.stdout.write(String({call}))"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return {"true": True, "false": False}[run.stdout]


def in_bash(found: Message, folder: Path) -> bool:
    headers, body = found
    (folder / "body").write_bytes(body)
    script = f'{block("bash")}\nset -u\nif is_genuine "$@"; then echo yes; else echo no; fi'
    run = subprocess.run(
        ["bash", "-c", script, "bash", KEY, *headers.values(), str(folder / "body")],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return {"yes\n": True, "no\n": False}[run.stdout]


@pytest.mark.parametrize("language", ["python", "js", "bash"])
def test_the_receivers_take_what_is_signed_now_with_one_of_the_secrets(language: str, tmp_path: Path) -> None:
    if language == "js" and shutil.which("node") is None:
        pytest.skip("node is missing")
    now = int(time.time())
    right, both = message(now, KEY), message(now, NEXT_KEY, KEY)
    foreign, old = message(now, NEXT_KEY), message(now - 400, KEY)
    changed = right[0], BODY + b" "

    def takes(found: Message) -> bool:
        if language == "bash":
            return in_bash(found, tmp_path)
        return in_python(found) if language == "python" else in_javascript(found)

    assert [takes(each) for each in (right, both, foreign, old, changed)] == [True, True, False, False, False]


def test_the_settings_of_the_page_are_read(tmp_path: Path) -> None:
    settings = load_settings(environ={}, file=tmp_path / "avtomat.toml", text=block("toml")).settings

    crm = settings.webhooks["crm"]
    assert (crm.secrets, crm.blueprints) == (("crm_webhook",), ("order*",))
    assert crm.events[0] == "job.finished"
    assert "approval.requested" not in crm.events
