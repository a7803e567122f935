"""What the files of a network manager say, as a set of facts: without order, comments and ways to say the same thing."""
import importlib
import ipaddress
import os

# A renderer's dialect: the module that knows it, and which of its words.
DIALECTS = {
    "netplan": "netplan_facts",
    "networkd": "networkd_facts",
    "network-manager": "keyfile_facts",
    "ifupdown": "stanza_facts",
    "ifupdown-alpine": "stanza_facts",
    "sysconfig": "ifcfg_facts",
    "sysconfig-suse": "ifcfg_facts",
}


def nics(path):
    """Names and MACs, a line each."""
    with open(path) as lines:
        return [tuple(line.split()[:2]) for line in lines if len(line.split()) > 1]


def of(tree, renderer, nics):
    """The facts in the files below `tree`."""
    said = files(tree)
    macs = {mac.lower(): name for name, mac in nics}
    return importlib.import_module(DIALECTS[renderer]).facts(said, macs | renamed(said))


def files(tree):
    """Their texts by their paths in the guest."""
    found = {}
    for top, _, names in os.walk(tree):
        for name in names:
            path = os.path.join(top, name)
            with open(path) as file:
                found[path[len(tree) :]] = file.read()
    return found


def renamed(files):
    """The names that udev is asked to give, by MAC."""
    names = {}
    for path, text in files.items():
        if path.endswith(".link"):
            said = {key: value for _, lines in ini(text) for key, value in lines}
            mac = said.get("MACAddress") or said.get("PermanentMACAddress")
            if mac and "Name" in said:
                names[mac.lower()] = said["Name"]
    return names


def ini(text):
    """The sections in their order, each with its lines: a key may come more than once."""
    sections = []
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("[") and line.endswith("]"):
            sections.append((line[1:-1], []))
        elif line and line[0] not in "#;" and sections:
            key, _, value = line.partition("=")
            sections[-1][1].append((key.strip(), value.strip()))
    return sections


def plain(value):
    """Booleans and numbers in one spelling."""
    text = str(value).strip().strip("\"'")
    return {"true": "yes", "on": "yes", "false": "no", "off": "no"}.get(text.lower(), text)


def prefix(address, mask=None):
    """An address with its length, whichever way that is said."""
    text = str(address).strip()
    if mask not in (None, "") and "/" not in text:
        text = f"{text}/{mask}"
    try:
        return str(ipaddress.ip_interface(text)) if "/" in text else str(ipaddress.ip_address(text))
    except ValueError:
        try:
            # `ip_interface` knows no IPv6 masks.
            length = bin(int(ipaddress.ip_address(text.partition("/")[2]))).count("1")
            return str(ipaddress.ip_interface(f"{text.partition('/')[0]}/{length}"))
        except ValueError:
            return text


def route(to, via=None, **rest):
    """A route as ip(8) would say it, whatever its words were."""
    to = str(to or "default")
    if to != "default":
        to = prefix(to)
        to = "default" if to in ("0.0.0.0/0", "::/0", "0.0.0.0", "::") else to
    words = [f"to {to}"] + ([f"via {prefix(via)}"] if via else [])
    return "route " + " ".join(words + [f"{key} {plain(value)}" for key, value in sorted(rest.items()) if value not in (None, "")])
