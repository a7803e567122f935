"""systemd-networkd: sections by interface."""
from facts import ini, plain, prefix, route

LISTS = ("DNS", "Domains", "NTP", "BindCarrier", "VLAN", "VRF", "ARPIPTargets")


def facts(files, macs):
    found = set()
    for path, text in files.items():
        kind, sections = path.rsplit(".", 1)[1], ini(text)
        name = interface(sections, macs)
        for section, lines in sections:
            # A link file that only gives the name is known by then.
            if section == "Match" or (kind == "link" and dict(lines).keys() <= {"Name", "NamePolicy", "AlternativeNamesPolicy"}):
                continue
            found |= {f"{name} {fact}" for fact in of_section(section, lines, kind)}
    return found


def interface(sections, macs):
    for section, lines in sections:
        said = dict(lines)
        if section == "NetDev":
            return said.get("Name")
        if section == "Match":
            mac = said.get("PermanentMACAddress") or said.get("MACAddress") or ""
            # Of a bond, the address is also that of a member.
            return said.get("Name") or macs.get(mac.lower()) or mac
    return ""


def of_section(section, lines, kind):
    said = {key: plain(value) for key, value in lines}
    if section == "Address":
        yield f"address {prefix(said.pop('Address', ''))}"
        yield from (f"address {key} {value}" for key, value in said.items())
    elif section == "Route":
        yield route(said.pop("Destination", None), said.pop("Gateway", None), **said)
    elif section == "RoutingPolicyRule":
        yield "rule " + " ".join(f"{key} {value}" for key, value in sorted(said.items()))
    else:
        for key, value in lines:
            if (section, key) == ("Network", "Address"):
                yield f"address {prefix(value)}"
            elif (section, key) == ("Network", "Gateway"):
                yield route("default", value)
            elif key in LISTS:
                yield from (f"{key} {prefix(one)}" for one in value.split())
            elif key == "DHCP":
                families = {"ipv4": "4", "ipv6": "6", "yes": "46", "both": "46"}.get(plain(value), "")
                yield from (f"DHCP {family}" for family in families)
            elif key == "MACAddress":
                yield f"{section}.{key} {value.lower()}"
            else:
                yield f"{section}.{key} {plain(value)}"
