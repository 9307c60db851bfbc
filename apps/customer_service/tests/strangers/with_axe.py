"""axe-core, which most audits of accessibility use, looks at the widget in a real Chromium.

Closed, open, with an answer, suggestions and a source, after a person took over; in light and in
dark; every rule that axe has for WCAG 2.2 A and AA, and its best practices. One violation fails.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from widget_page import Chat, browser

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RUN = (
    "const done = arguments[arguments.length - 1];"
    "axe.run(document, {runOnly: {type: 'tag', values: arguments[0]}}).then(done)"
)


def audit(driver: Any, axe: str, when: str) -> int:
    driver.execute_script(axe)
    found = driver.execute_async_script(RUN, TAGS)
    told = [
        f"{one['id']} ({one['impact']}): {node['target']} {node['failureSummary']}"
        for one in found["violations"]
        for node in one["nodes"]
    ]
    assert not told, f"{when}:\n" + "\n".join(told)
    inside = sum("data-desk" in json.dumps(one["nodes"]) for one in found["passes"])
    assert inside, f"{when}: axe did not look into the widget"
    return len(found["passes"])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--prefix", type=Path, required=True)
    axe = (parser.parse_args().prefix / "node_modules/axe-core/axe.min.js").read_text("utf-8")
    facts = json.load(sys.stdin)
    checks = 0
    with tempfile.TemporaryDirectory() as folder, browser(Path(folder)) as driver:
        # axe is put in from outside, which the page's policy rightly forbids to others.
        driver.execute_cdp_cmd("Page.setBypassCSP", {"enabled": True})
        for theme in ("light", "dark"):
            media = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
            driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
            chat = Chat(driver, facts["url"])
            checks += audit(driver, axe, f"{theme}, closed")
            chat.open()
            checks += audit(driver, axe, f"{theme}, open")
            chat.say("how do I return it")
            chat.until_said("You have 30 days.")
            time.sleep(0.2)
            checks += audit(driver, axe, f"{theme}, answered")
            chat.say("agent")
            chat.until_said("A colleague takes over.")
            checks += audit(driver, axe, f"{theme}, handed over")
    print(f"axe: no violation in 8 states, {checks} rules passed in all")


if __name__ == "__main__":
    main()
