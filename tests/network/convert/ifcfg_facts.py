"""sysconfig, of network-scripts and of wicked: variables by interface."""
import re
import shlex

from facts import plain, prefix, route

LISTS = ("IPV6ADDR_SECONDARIES", "DOMAIN", "BRIDGE_PORTS", "NETCONFIG_DNS_STATIC_SERVERS", "NETCONFIG_DNS_STATIC_SEARCHLIST")
KINDS = ("blackhole", "unreachable", "prohibit", "throw", "local")


def facts(files, macs):
    found = set()
    for path, text in files.items():
        name = path.rsplit("/", 1)[1]
        if name.startswith("ifcfg-"):
            found |= {f"{name[6:]} {fact}" for fact in of_variables(variables(text))}
        elif re.match(r"(route6?|ifroute|rule6?|ifrule)-", name) or name == "routes":
            interface = name.partition("-")[2]
            found |= {f"{interface} {fact}" for fact in of_routes(name, text)}
        elif path.endswith(".link"):
            continue
        elif "udev" in path:
            found |= {f"{path} names {one}" for one in re.findall(r'NAME="([^"]+)"', text)}
        else:
            found |= {f"{path}: {line.strip()}" for line in text.splitlines() if line.strip() and line[0] not in "#;"}
    return found


def variables(text):
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line and not line.startswith("#"))
    return {key.strip(): " ".join(shlex.split(value)) for key, _, value in pairs}


def of_variables(said):
    for key, value in said.items():
        base, number = re.fullmatch(r"(.*?)(_?\d*)", key).groups()
        if base == "IPADDR" or (base == "IPADDR6"):
            yield f"address {prefix(value, said.get('PREFIX' + number) or said.get('PREFIXLEN' + number) or said.get('NETMASK' + number))}"
        elif base in ("PREFIX", "NETMASK", "PREFIXLEN"):
            continue
        elif key == "IPV6ADDR":
            yield f"address {prefix(value)}"
        elif base in ("GATEWAY", "IPV6_DEFAULTGW"):
            yield route("default", value)
        elif base == "DNS":
            yield f"dns {prefix(value)}"
        elif key in LISTS:
            word = {"IPV6ADDR_SECONDARIES": "address", "DOMAIN": "search", "BRIDGE_PORTS": "port"}.get(key, key)
            yield from (f"{word} {prefix(one)}" for one in value.split())
        elif key in ("BONDING_OPTS", "BONDING_MODULE_OPTS", "BRIDGING_OPTS"):
            yield from (f"{key.partition('_')[0]} {one}" for one in value.split())
        elif key in ("HWADDR", "MACADDR", "LLADDR"):
            yield f"{key} {value.lower()}"
        else:
            yield f"{key} {plain(value)}"


def of_routes(name, text):
    said = variables(text)
    for key, value in said.items():
        if key.startswith("ADDRESS"):
            number = key[7:]
            yield route(prefix(value, said.get("NETMASK" + number)), said.get("GATEWAY" + number), metric=said.get("METRIC" + number))
    if any(key.startswith("ADDRESS") for key in said):
        return
    for line in text.splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if "rule" in name:
            yield "rule " + " ".join(words)
            continue
        # The one word without a value; and what may stand where a word's place is.
        more = {"onlink": "yes"} if "onlink" in words else {}
        more |= {"type": word for word in words if word in KINDS}
        words = [word for word in words if word != "onlink" and word not in KINDS]
        if name.startswith("route"):
            options = dict(zip(words[1::2], words[2::2])) | more
            options.pop("dev", None)
            yield route(words[0], options.pop("via", None), **options)
        else:
            # wicked's: destination, gateway, mask, interface, then options as ip(8) has them.
            to, via, mask, _, *rest = words + ["-"] * (4 - len(words))
            to = prefix(to, mask) if mask != "-" else to
            yield route(to, via if via != "-" else None, **dict(zip(rest[::2], rest[1::2])), **more)
