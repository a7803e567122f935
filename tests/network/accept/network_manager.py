"""NetworkManager loads every keyfile, and its log has no complaint of one."""
import os
import re
import subprocess
import time

import spaces

RENDERERS = ("network-manager",)
PLACE = "/etc/NetworkManager/system-connections"
LOG = "/tmp/NetworkManager.log"
COMPLAINT = re.compile(r"<(warn|error)>.*(keyfile|%s|settings)" % re.escape(PLACE))
PATIENCE = 10
daemon = None


def accepts(tree, files, nics):
    ours = [path for path in files if path.startswith(PLACE)]
    spaces.into_place(tree, PLACE)
    spaces.into_place(tree, "/etc/NetworkManager/conf.d")
    wrong = [f"{path} can be read by others" for path in ours if os.stat(tree + path).st_mode & 0o077]
    start()
    before = len(spaces.text(LOG))
    wrong += nmcli("connection", "reload")[1]
    loaded = dict(line.rsplit(":", 1)[::-1] for line in nmcli("-t", "-e", "no", "-f", "UUID,FILENAME", "connection")[0])
    for path in ours:
        asked = re.search(r"(?m)^uuid=(\S+)", spaces.text(tree + path))
        if path not in loaded:
            wrong.append(f"{path} is not loaded")
        elif asked and asked[1] != loaded[path]:
            wrong.append(f"{path} has another UUID: {loaded[path]}")
    return wrong + [line for line in spaces.text(LOG)[before:].splitlines() if COMPLAINT.search(line)]


def start():
    """The daemon, once; it gets no interface to touch."""
    global daemon
    if daemon:
        return
    spaces.bus()
    for path in ("/run/NetworkManager", "/var/lib/NetworkManager"):
        os.makedirs(path, exist_ok=True)
    with open("/etc/NetworkManager/NetworkManager.conf", "w") as conf:
        conf.write("[main]\nplugins=keyfile\nauth-polkit=false\n[keyfile]\nunmanaged-devices=*\n[logging]\nlevel=INFO\n")
    with open(LOG, "w") as said:
        daemon = subprocess.Popen(["NetworkManager", "--no-daemon", "--debug"], stdout=said, stderr=said)
    spaces.until(lambda: not nmcli("-t", "-f", "RUNNING", "general")[1], PATIENCE)


def nmcli(*words):
    """Its lines, and what went wrong."""
    ran = subprocess.run(["nmcli", *words], capture_output=True, text=True, timeout=20)
    return ran.stdout.splitlines(), [f"nmcli {' '.join(words)}: {ran.stderr.strip()}"] if ran.returncode else []
