# SPDX-License-Identifier: Apache-2.0
"""Drives Chromium over its DevTools pipe for tests/host/page: JSON messages that end in a zero byte, on descriptors 3 and 4."""

import base64
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse

PAGE = "http://127.0.0.1:8077"
PATIENCE = 30
HOSTILE = "<img src=x onerror=hacked=1><script>hacked=1</script>"
results = {"ok": 0, "FAILED": 0}


def check(name, fine, said=""):
    word = "ok" if fine else "FAILED"
    results[word] += 1
    print(f"{word} {name}" + ("" if fine else f": {said!r}"), flush=True)


class Browser:
    """A headless Chromium with one tab."""

    def __init__(self, profile):
        to_browser, self.to = os.pipe()
        self.fro, from_browser = os.pipe()
        options = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
            --disable-component-update --disable-sync --disable-dev-shm-usage --window-size=1280,800
            --remote-debugging-pipe""".split()
        # Moved out of each other's way before they get the numbers that the browser wants.
        shell = f'exec 8<&{to_browser} 9>&{from_browser} 3<&8 4>&9 8<&- 9>&-; exec chromium "$@"'
        self.process = subprocess.Popen(
            ["bash", "-c", shell, "chromium", *options, f"--user-data-dir={profile}", "about:blank"],
            pass_fds=[to_browser, from_browser], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)
        self.read, self.number, self.session, self.complaints = b"", 0, None, []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def ask(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.message()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            if answer.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown"):
                self.complaints.append(json.dumps(answer["params"]))

    def message(self):
        while b"\0" not in self.read:
            chunk = os.read(self.fro, 1 << 16)
            if not chunk:
                raise RuntimeError("the browser ended")
            self.read += chunk
        message, self.read = self.read.split(b"\0", 1)
        return json.loads(message)

    def run(self, script):
        answer = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["text"] + " in " + script)
        return answer["result"].get("value")

    def becomes(self, name, script, wanted=True):
        """Checks that the script's value is the wanted one, soon."""
        end, said = time.monotonic() + PATIENCE, None
        while time.monotonic() < end:
            said = self.run(script)
            if said == wanted:
                break
            time.sleep(0.1)
        check(name, said == wanted, said)

    def go(self, url):
        self.ask("Page.navigate", url=url)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if self.run("location.href") == url and self.run("document.readyState") == "complete":
                return
            time.sleep(0.05)
        raise RuntimeError(f"{url} does not load")

    def picture(self, name):
        directory = os.environ.get("SCREENSHOTS")
        if directory:
            data = self.ask("Page.captureScreenshot", format="png")["data"]
            with open(os.path.join(directory, name), "wb") as file:
                file.write(base64.b64decode(data))

    def end(self):
        os.close(self.to)
        self.process.terminate()
        self.process.wait()


def guest(last, path, method="GET", body=None):
    """What the guest at 127.0.0.`last` is answered."""
    connection = http.client.HTTPConnection("127.0.0.1", 8076, timeout=20, source_address=(f"127.0.0.{last}", 0))
    headers = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def page(path):
    connection = http.client.HTTPConnection("127.0.0.1", 8077, timeout=20)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer, answer.read().decode()


def wait_for_server():
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return page("/")
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def main(browser):
    answer, text = wait_for_server()
    policy = answer.headers["Content-Security-Policy"]
    check("nothing on the page runs but its own script", "default-src 'none'" in policy and "unsafe" not in policy, policy)
    browser.go(PAGE + "/")
    browser.becomes("nobody has asked yet", "document.getElementById('nobody') !== null")
    browser.run("window.same = true; document.getElementById('q').focus()")

    for path in ("/latest/meta-data/instance-id", "/latest/user-data", "/latest/meta-data/instance-id"):
        guest(11, path)
    guest(12, "/latest/user-data")
    check("broken data is an error for its guest", guest(13, "/latest/meta-data/local-hostname") == 500)
    row = "[...document.querySelectorAll('#guests tr')].find((row) => row.innerText.includes('{}'))?.innerText ?? ''"
    browser.becomes("guests that ask come up by themselves", "document.querySelectorAll('#guests tr').length", 3)
    browser.becomes("with what they asked for", f"({row.format('db-1')}).includes('200 /latest/user-data')")
    browser.becomes("and where from", f"({row.format('web-1')}).includes('127.0.0.11')")
    browser.becomes("a failed request is counted", "document.getElementById('count-failing').innerText", "1 with failed requests")

    check("a guest phones home", guest(11, "/phone-home", "POST", urllib.parse.urlencode(
        {"instance_id": "i-1", "hostname": HOSTILE, "pub_key_rsa": "ssh-rsa AAAA"})) == 200)
    browser.becomes("and is done", f"({row.format('web-1')}).includes('done')")
    browser.becomes("the others are not", f"({row.format('db-1')}).includes('asking')")
    check("all that without loading the page again", browser.run("window.same") is True)
    check("the focus stayed", browser.run("document.activeElement.id") == "q")
    browser.picture("light.png")

    guest(14, "/latest/user-data")
    guest(14, "/" + urllib.parse.quote(HOSTILE))
    browser.becomes("a hostile guest is there", "document.querySelectorAll('#guests tr').length", 4)
    browser.becomes("by its words", f"document.getElementById('guests').innerText.includes({json.dumps(HOSTILE)})")
    harmless = "typeof hacked === 'undefined' && !document.querySelector('img, b:not(#counts b), script:not([src])')"
    check("which are text", browser.run(harmless) is True)

    browser.run("q.value = 'WEB'; q.dispatchEvent(new Event('input'))")
    browser.becomes("the filter finds while it is typed", "document.querySelectorAll('#guests tr').length", 1)
    check("and its page can be kept", browser.run("location.search") == "?q=WEB")
    browser.run("document.querySelector('#guests a').click()")
    browser.becomes("a guest has a page", "document.querySelector('h1')?.innerText.startsWith('web-1') && document.readyState === 'complete'")
    facts = browser.run("document.getElementById('facts').innerText")
    check("with what it reported", "<img src=x onerror=hacked=1>" in facts, facts)
    check("but for keys", "AAAA" not in facts and "pub_key" not in facts, facts)
    check("as text", browser.run(harmless) is True)
    counted = "[...document.querySelectorAll('#paths tr')].map((row) => row.cells[0].innerText + ' ' + row.cells[1].innerText)"
    check("and what it asked for, how often", "/latest/meta-data/instance-id 2" in browser.run(counted), browser.run(counted))
    guest(11, "/latest/user-data")
    browser.becomes("that is kept up to date too", f"({counted}).includes('/latest/user-data 2')")
    browser.picture("guest.png")

    browser.go(PAGE + "/?state=failing")
    browser.run("document.querySelector('#guests a').click()")
    browser.becomes("a failed request has its reason", "document.querySelector('#recent .reason')?.innerText.includes('broken.internal.json')")
    narrow = "document.documentElement.scrollWidth <= innerWidth"
    browser.ask("Emulation.setDeviceMetricsOverride", width=360, height=800, deviceScaleFactor=1, mobile=True)
    browser.becomes("a guest's page fits a narrow screen", narrow)
    browser.go(PAGE + "/")
    browser.becomes("and the list does", narrow)
    browser.ask("Emulation.clearDeviceMetricsOverride")

    browser.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    browser.go(PAGE + "/")
    check("it is dark in the dark", browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(15, 19, 24)")
    browser.picture("dark.png")
    browser.ask("Emulation.setScriptExecutionDisabled", value=True)
    browser.go(PAGE + "/?state=done")
    check("without scripts it shows the same", browser.run("document.querySelectorAll('#guests tr').length") == 1)
    check("and is loaded again", browser.run("document.querySelector('noscript meta')?.content") == "5")
    browser.ask("Emulation.setScriptExecutionDisabled", value=False)

    _, text = page("/status.json")
    status = json.loads(text)
    check("programs read the same", (status["counts"]["guests"], status["counts"]["done"]) == (4, 1), status["counts"])
    check("and no key of a host", "AAAA" not in text)
    answer, _ = page("/guests/99")
    check("a guest that is none is not found", answer.status == 404)
    connection = http.client.HTTPConnection("127.0.0.1", 8076, timeout=20)
    connection.request("GET", "/status.json")
    check("guests do not get the page", connection.getresponse().status == 404)

    complaints = [text for text in browser.complaints if "favicon" not in text]
    check("the browser complains of nothing", not complaints, complaints)
    browser.go(PAGE + "/")
    os.kill(int(os.environ["server"]), signal.SIGTERM)
    browser.becomes("a server that is gone is said", "document.getElementById('lost').innerText",
                    "The server does not answer; this is what it said last.")


profile = tempfile.mkdtemp()
browser = Browser(profile)
try:
    main(browser)
finally:
    browser.end()
    shutil.rmtree(profile, ignore_errors=True)
print(f"page: {results['ok']} checks passed, {results['FAILED']} failed")
sys.exit(results["FAILED"] > 0)
