"""netplan: settings by interface."""
import yaml

from facts import plain, prefix, route

KINDS = ("ethernets", "bonds", "bridges", "vlans", "vrfs", "tunnels", "wifis", "dummy-devices")


def facts(files, macs):
    found = set()
    for text in files.values():
        network = (yaml.safe_load(text) or {}).get("network", {})
        links = {kind: settings_of(network.get(kind)) for kind in KINDS}
        names = {id: name(id, settings, macs) for kind in KINDS for id, settings in links[kind].items()}
        found |= {f"{key}: {value}" for key, value in network.items() if key not in KINDS + ("version",)}
        for kind, settings in links.items():
            for id, settings in settings.items():
                found |= {f"{names[id]} {fact}" for fact in of_link(settings, names)}
                if kind != "ethernets":
                    found.add(f"{names[id]} is one of {kind}")
    return found


def settings_of(links):
    """Of each link; a section may also have a `renderer`."""
    links = {str(id): settings or {} for id, settings in (links or {}).items()}
    return {id: settings for id, settings in links.items() if isinstance(settings, dict)}


def name(id, settings, macs):
    """Of the interface itself: an id is only a word."""
    mac = str((settings.get("match") or {}).get("macaddress", "")).lower()
    return settings.get("set-name") or macs.get(mac) or id


def of_link(settings, names):
    for key, value in settings.items():
        if key in ("match", "set-name", "optional") or (key in ("dhcp4", "dhcp6", "critical") and value is False):
            continue
        if key in ("addresses", "interfaces"):
            for one in value or []:
                one = names.get(one, one) if isinstance(one, str) else one
                if isinstance(one, dict):
                    one, words = next(iter(one.items()))
                    yield from (f"address {prefix(one)} {word} {plain(said)}" for word, said in words.items())
                yield f"{'address' if key == 'addresses' else 'interface'} {prefix(one)}"
        elif key in ("gateway4", "gateway6"):
            yield route("default", value)
        elif key == "routes":
            yield from (route(one.pop("to", None), one.pop("via", None), **one) for one in map(dict, value or []))
        elif key == "routing-policy":
            yield from ("rule " + " ".join(f"{word} {packets(said) if word in ('from', 'to') else plain(said)}"
                                           for word, said in sorted(one.items())) for one in value or [])
        elif key == "nameservers":
            yield from (f"dns {prefix(one)}" for one in value.get("addresses") or [])
            yield from (f"search {one}" for one in value.get("search") or [])
        elif key == "link":
            yield f"link {names.get(value, value)}"
        else:
            yield from flat(key, value, names)


def packets(address):
    """An address without its length is that one alone."""
    address = str(address)
    return prefix(address if "/" in address else address + ("/128" if ":" in address else "/32"))


def flat(key, value, names):
    if isinstance(value, dict):
        for inner, said in value.items():
            yield from flat(f"{key}.{names.get(inner, inner)}", said, names)
    elif isinstance(value, list):
        for one in value:
            yield from flat(key, one, names)
    else:
        value = names.get(value, value) if key.endswith("primary") else value
        yield f"{key} {plain(value).lower() if key == 'macaddress' else plain(value)}"
