"""ifquery shows every option of every stanza, and ifup knows what it would run."""
import ipaddress
import re
import subprocess

RENDERERS = ("ifupdown", "ifupdown-alpine")


def accepts(tree, files, nics):
    wrong = []
    for path in files:
        with open(tree + path) as file:
            text = file.read()
        names = sorted(set(re.findall(r"(?m)^iface (\S+)", text)))
        listed = run("ifquery", "--list", "-a", "-i", tree + path)
        automatic = sorted(set(word for line in re.findall(r"(?m)^auto (.*)", text) for word in line.split()))
        wrong += listed.complaints
        if sorted(listed.stdout.split()) != automatic:
            wrong.append(f"ifquery lists {listed.stdout.split()}, and asked for are {automatic}")
        for name in names:
            shown = run("ifquery", "-i", tree + path, name)
            wrong += shown.complaints
            wrong += [f"{name}: ifquery does not show `{line}`" for line in options(text, name) if line not in shown.lines]
        # `eth0` of the host is not configured: nothing is run, and no state is kept.
        wrong += run("ifup", "--no-act", "--force", "--ignore-errors", "-a", "-i", tree + path).complaints
    return wrong


def options(text, name):
    """The words of the stanzas of an interface, as ifquery has them: `key: value`."""
    found, inside = [], False
    for line in text.splitlines():
        words = line.split(None, 1)
        if not words or words[0].startswith("#"):
            continue
        if words[0] in ("iface", "auto", "mapping", "source") or words[0].startswith("allow-"):
            inside = words[0] == "iface" and words[1].split()[0] == name
        elif inside and len(words) > 1:
            found += parts(words[0], " ".join(words[1].split()))
    return found


def parts(key, value):
    """ifupdown keeps an address and its length apart, and writes that of IPv4 as a mask."""
    address, slash, length = value.partition("/")
    if key == "netmask" and "." in value:
        return [(key, str(ipaddress.ip_network(f"0.0.0.0/{value}").prefixlen))]
    if key == "address" and slash:
        return [("address", address), ("netmask", length)]
    return [({"post-up": "up", "pre-down": "down"}.get(key, key), value)]


class run:
    def __init__(self, *command):
        ran = subprocess.run(command, capture_output=True, text=True, timeout=20)
        self.stdout = ran.stdout
        pairs = (line.partition(": ") for line in ran.stdout.splitlines())
        self.lines = {part for key, _, value in pairs for part in parts(key, " ".join(value.split()))}
        # What it would run and what it found come by the same way; complaints name the program.
        said = ran.stderr.splitlines()
        self.complaints = [line for line in said if re.match(r"(ifquery|ifup|error|warning)\b.*(:|error|unknown)", line)]
        if ran.returncode:
            self.complaints.append(f"{' '.join(command)} ended with {ran.returncode}: {ran.stderr.strip()[-300:]}")
