"""The files that network-scripts and wicked source: bash takes them, they set what they say, and nothing is run."""
import re
import subprocess

RENDERERS = ("sysconfig", "sysconfig-suse")
ASSIGNMENT = re.compile(r"^[A-Z][A-Z0-9_]*=")
PROGRAM = 'set -a; PATH=/nowhere; . "$1"; /usr/bin/env -0'
BASH = {"PATH", "PWD", "SHLVL", "_", "OLDPWD"}


def accepts(tree, files, nics):
    wrong = []
    for path in files:
        name = path.rsplit("/", 1)[1]
        if name.startswith(("route", "ifroute", "rule", "ifrule")) or path.endswith("/routes"):
            continue
        if not name.startswith("ifcfg-") and path not in ("/etc/sysconfig/network", "/etc/sysconfig/network/config"):
            continue
        ran = subprocess.run(["bash", "-n", tree + path], capture_output=True, text=True)
        wrong += ran.stderr.splitlines()
        with open(tree + path) as file:
            lines = [line for line in file.read().splitlines() if line and not line.startswith("#")]
        wrong += [f"{path}: not an assignment: {line}" for line in lines if not ASSIGNMENT.match(line)]
        ran = subprocess.run(["env", "-i", "bash", "-c", PROGRAM, "-", tree + path], capture_output=True, text=True)
        wrong += [f"{path}: {line}" for line in ran.stderr.splitlines()]
        found = {pair.partition("=")[0] for pair in ran.stdout.split("\0") if pair} - BASH
        expected = {line.partition("=")[0] for line in lines}
        wrong += [f"{path}: sets {sorted(found ^ expected)} against what it says"] if found != expected else []
    return wrong
