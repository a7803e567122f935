"""NetworkManager: settings by connection."""
import re

from facts import ini, plain, prefix, route

# Of the profile, and not of the network.
OWN = {("connection", "id"), ("connection", "uuid"), ("connection", "autoconnect-priority"), ("user", "org.freedesktop.NetworkManager.origin")}

HARDWARE = ("ethernet", "802-3-ethernet", "infiniband")


def facts(files, macs):
    profiles = {path: ini(text) for path, text in files.items() if path.endswith(".nmconnection")}
    said = {path: {(section, key): value for section, lines in sections for key, value in lines} for path, sections in profiles.items()}
    names = {path: interface(keys, macs) for path, keys in said.items()}
    uuids = {keys.get(("connection", "uuid")): names[path] for path, keys in said.items()}
    found = set()
    for path, keys in said.items():
        for (section, key), value in keys.items():
            if (section, key) not in OWN and (section, key) != ("connection", "interface-name"):
                found |= {f"{names[path]} {fact}" for fact in of_key(section, key, value, keys, uuids)}
    found |= {f"{path}: {line.strip()}" for path, text in files.items() if path not in profiles and not path.endswith('.link') for line in text.splitlines() if line.strip() and not line.startswith("#")}
    return found


def interface(keys, macs):
    mac = next((keys[kind, "mac-address"] for kind in HARDWARE if (kind, "mac-address") in keys), "")
    return keys.get(("connection", "interface-name")) or macs.get(mac.lower()) or mac


def of_key(section, key, value, keys, uuids):
    if re.fullmatch(r"address(es)?\d*", key):
        address, _, gateway = value.partition(",")
        yield f"{section} address {prefix(address)}"
        if gateway:
            yield f"{section} {route('default', gateway)}"
    elif key == "gateway":
        yield f"{section} {route('default', value)}"
    elif re.fullmatch(r"route\d+", key):
        to, via, metric, *_ = value.split(",") + ["", ""]
        options = dict(part.partition("=")[::2] for part in keys.get((section, key + "_options"), "").split(",") if part)
        yield f"{section} {route(to, via if via not in ('0.0.0.0', '::') else None, metric=metric, **options)}"
    elif re.fullmatch(r"route\d+_options", key):
        return
    elif key in ("dns", "dns-search"):
        yield from (f"{section} {key} {prefix(one)}" for one in re.split("[;,]", value) if one)
    elif key == "mac-address":
        yield f"{section}.{key} {value.lower()}"
    else:
        yield f"{section}.{key} {plain(uuids.get(value, value))}"
