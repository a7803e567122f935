"""netplan's generator takes every file, and makes a networkd file for each interface that the file describes."""
import os
import shutil
import subprocess

import yaml

RENDERERS = ("netplan",)
OUT = "/tmp/netplan"
# For these it writes files of networkd; of what a `renderer: NetworkManager` has, others.
KINDS = ("ethernets", "bonds", "bridges", "vlans", "vrfs", "tunnels", "dummy-devices")
MADE = KINDS[1:]
# Sections that netplan knows since 1.0, and this one (0.106, Debian 12) does not: how it takes those is not seen here.
NEWER = ("dummy-devices",)


def accepts(tree, files, nics):
    shutil.rmtree(OUT, ignore_errors=True)
    shutil.copytree(tree, OUT)
    ran = subprocess.run(["/usr/libexec/netplan/generate", "--root-dir", OUT], capture_output=True, text=True)
    said = [line for line in (ran.stderr + ran.stdout).splitlines() if line.strip()]
    if any(f"unknown key '{key}'" in line for key in NEWER for line in said):
        return []
    wrong = [f"generate ended with {ran.returncode}"] if ran.returncode else []
    wrong += said
    wrong += [f"{path} can be read by others" for path in files if os.stat(tree + path).st_mode & 0o077]
    return wrong or missing(tree, files)


def missing(tree, files):
    """The interfaces for which nothing came out."""
    network = {}
    for path in files:
        with open(tree + path) as document:
            network.update(yaml.safe_load(document)["network"])
    if network.get("renderer") == "NetworkManager":
        return []
    made = os.listdir(f"{OUT}/run/systemd/network") if os.path.isdir(f"{OUT}/run/systemd/network") else []
    wrong = []
    for kind in KINDS:
        links = network.get(kind) or {}
        for name, settings in links.items():
            # A section may have a `renderer` of its own beside its links.
            if name == "renderer" or "NetworkManager" in (links.get("renderer"), (settings or {}).get("renderer")):
                continue
            if f"10-netplan-{name}.network" not in made:
                wrong.append(f"no .network for {kind} {name}")
            if kind in MADE and f"10-netplan-{name}.netdev" not in made:
                wrong.append(f"no .netdev for {kind} {name}")
    return wrong
