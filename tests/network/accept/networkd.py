"""systemd-networkd takes every file without a word of complaint, and makes of plain links what their files say.

A kernel in a container often cannot make bonds and VLANs: for those it is what networkd says of its files that counts.
"""
import ipaddress
import json
import os
import re
import shutil
import subprocess
import time

import spaces

RENDERERS = ("networkd",)
PLACE = "/etc/systemd/network"
# What systemd says of a line or a section that it does not take, and of values that it leaves out.
COMPLAINT = re.compile(r"/etc/systemd/network/\S+: .*(Unknown|Failed|Invalid|[Ii]gnor|[Nn]ot |No valid|Missing|[Dd]eprecat|refusing)")
DONE = re.compile(r"Enumeration completed")
PATIENCE = 5


def accepts(tree, files, nics):
    shutil.rmtree(PLACE, ignore_errors=True)
    shutil.copytree(tree + PLACE, PLACE)
    made = [name for name, mac in nics if spaces.make(name, mac)]
    try:
        wrong = load(lambda: compare(made) if made else [])
    finally:
        spaces.remove(made)
    links = [path for path in files if path.endswith(".link")]
    return wrong + [line for path in links for line in udev(path)]


def load(then):
    """Starts networkd with the files, and asks `then` when it has read them."""
    spaces.bus()
    for path in ("/run/systemd/netif", "/run/systemd/network"):
        shutil.rmtree(path, ignore_errors=True)
    for path in ("", "/links", "/leases", "/lldp"):
        os.makedirs("/run/systemd/netif" + path, exist_ok=True)
        shutil.chown("/run/systemd/netif" + path, "systemd-network", "systemd-network")
    log = "/tmp/networkd.log"
    with open(log, "w") as said:
        environment = dict(os.environ, SYSTEMD_LOG_LEVEL="debug", SYSTEMD_LOG_TARGET="console")
        daemon = subprocess.Popen(["/lib/systemd/systemd-networkd"], stderr=said, stdout=said, env=environment)
    try:
        wrong = [] if spaces.until(lambda: DONE.search(spaces.text(log)), PATIENCE) else ["it never had its links"]
        if daemon.poll() is not None:
            wrong.append(f"it ended with {daemon.returncode}")
        wrong += then() if not wrong else []
    finally:
        daemon.terminate()
        daemon.wait()
    return [line for line in spaces.text(log).splitlines() if COMPLAINT.search(line)] + wrong


def compare(names):
    """What networkctl shows of each link, against what the link's own file says."""
    wanted = {name: asked(name) for name in names}
    seen = {}

    def reached():
        for name in names:
            seen[name] = shown(name)
        return all(wanted[name] <= seen[name] for name in names)

    if spaces.until(reached, PATIENCE):
        return []
    return [f"{name}: networkctl does not show {sorted(wanted[name] - seen[name])}" for name in names if wanted[name] - seen[name]]


def asked(name):
    """Addresses, gateways and name servers in the file that networkd takes for the link."""
    status = subprocess.run(["networkctl", "status", "--no-pager", name], capture_output=True, text=True).stdout
    path = re.search(r"Network File: (\S+\.network)", status)
    if not path:
        return set()
    text = spaces.text(path[1])
    if re.search(r"(?m)^(Bond|Bridge|VRF)=", text):
        return set()
    keys = re.findall(r"(?m)^(Address|Gateway|DNS)=(\S+)", text)
    return {(key, plain(value)) for key, value in keys if not value.startswith("_")}


def shown(name):
    ran = subprocess.run(["networkctl", "--json=short", "status", name], capture_output=True, text=True)
    try:
        link = json.loads(ran.stdout)
    except ValueError:
        return set()
    address = lambda octets: str(ipaddress.ip_address(bytes(octets)))
    found = {("Address", f"{address(one['Address'])}/{one['PrefixLength']}") for one in link.get("Addresses", [])}
    found |= {("Gateway", address(one["Gateway"])) for one in link.get("Routes", []) if "Gateway" in one}
    return found | {("DNS", address(one["Address"])) for one in link.get("DNS", [])}


def plain(value):
    address, slash, length = value.partition("/")
    return str(ipaddress.ip_address(address)) + slash + length


def udev(path):
    """A .link is udev's; systemd-analyze has no word for it, but udevadm's builtin reads it."""
    ran = subprocess.run(
        ["udevadm", "test-builtin", "net_setup_link", "/sys/class/net/lo"],
        capture_output=True, text=True, env=dict(os.environ, SYSTEMD_LOG_LEVEL="debug"),
    )
    return [line for line in (ran.stderr + ran.stdout).splitlines() if COMPLAINT.search(line) and path in line]
