"""Chromium, in a process of its own: sign in, click a link, and say what was saved.

``python browser_download.py SIGN_IN URL TARGET`` prints ``saved`` or what Chromium says of its
failure. It resumes by itself, as for a user.
"""

from __future__ import annotations

import sys

import chromium
from playwright.sync_api import sync_playwright

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage"]


def main(sign_in: str, url: str, target: str) -> None:
    """Download one address as a click on a link does."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.find(), args=ARGUMENTS)
        page = browser.new_context(accept_downloads=True).new_page()
        page.goto(sign_in)
        with page.expect_download() as started:
            page.evaluate(
                """url => {
                    const link = document.createElement("a");
                    link.href = url;
                    link.download = "";
                    document.body.append(link);
                    link.click();
                }""",
                url,
            )
        failure = started.value.failure()
        if failure is None:
            started.value.save_as(target)
        print(failure or "saved")
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
