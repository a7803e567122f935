"""What a guest would have of the facts in a manager's files, in words that are the same for all managers.

Only what counts in the guest: addresses, routes, rules, name servers, MTU and hardware address, DHCP, refused
announcements (hearing them is the default), members, VLANs and the options of bonds and bridges. Each dialect is a list of
patterns with the effect that a fact has; what no pattern knows has none here.
"""
import re

from facts import plain, prefix

IPV = r"(?:ipv[46] |inet6? )?"
COMMAND = r"inet6? (?:pre-up|up) (?:\[ .* \] \|\| )?ip (?:-[46] )?"
COMMON = [
    (IPV + r"(address \S+)", r"\1"),
    (IPV + r"(route .*)", r"\1"),
    (IPV + r"(?:dns|DNS|dns-nameservers) (\S+)", r"dns \1"),
    (r"nameserver (\S+)", r"dns \1"),
    (IPV + r"(?:search|Domains|dns-search) (.+)", r"search \1"),
]
DIALECTS = {
    "netplan": [
        (r"(mtu \d+)", r"\1"), (r"dhcp4 yes", "dhcp4"), (r"dhcp6 yes", "dhcp6"), (r"macaddress (\S+)", r"mac \1"), (r"(rule .*)", r"\1"),
        (r"accept-ra no", "accept-ra no"), (r"interface (\S+)", r"@\1 in NAME"), (r"id (\d+)", r"vlan \1"), (r"link (\S+)", r"upon \1"),
        (r"parameters\.(\S+) (.*)", r"bond \1 \2"),
    ],
    "networkd": [
        (r"Link\.MTUBytes (\d+)", r"mtu \1"), (r"DHCP ([46])", r"dhcp\1"), (r"Network\.IPv6AcceptRA no", "accept-ra no"), (r"(?:NetDev|Link)\.MACAddress (\S+)", r"mac \1"),
        (r"Network\.(?:Bond|Bridge) (\S+)|VRF (\S+)", r"in \1\2"), (r"VLAN\.Id (\d+)", r"vlan \1"), (r"VLAN (\S+)", r"@\1 upon NAME"),
        (r"Bridge\.(\S+) (.*)", r"bridge \1 \2"), (r"Bond\.(\S+) (.*)", r"bond \1 \2"), (r"ARPIPTargets (\S+)", r"bond arp-ip-target \1"), (r"(rule .*)", r"\1"),
    ],
    "network-manager": [
        (r"(?:ethernet|infiniband)\.mtu (\d+)", r"mtu \1"), (r"ipv4\.method auto", "dhcp4"), (r"ipv6\.method manual", "accept-ra no"),
        (r"ethernet\.cloned-mac-address (\S+)", r"mac \1"), (r"connection\.master (\S+)", r"in \1"),
        (r"vlan\.id (\d+)", r"vlan \1"), (r"vlan\.parent (\S+)", r"upon \1"), (r"bond\.(\S+) (.*)", r"bond \1 \2"),
        (r"bridge\.(\S+) (.*)", r"bridge \1 \2"),
        (r"ipv[46]\.routing-rule\d+ (.*)", r"rule \1"),
    ],
    "ifupdown": [
        (COMMAND + r"link set dev \$IFACE mtu (\d+)", r"mtu \1"), (r"inet6? mtu (\d+)", r"mtu \1"), (r"inet dhcp", "dhcp4"),
        (r"inet6? accept-ra 0", "accept-ra no"),
        (r"inet6? (?:pre-up|up) echo 0 > /proc/sys/net/ipv6/conf/\$IFACE/accept_ra.*", "accept-ra no"),
        (COMMAND + r"link set dev \$IFACE address (\S+)", r"mac \1"), (r"inet6? (?:hwaddress|bridge-hw) (\S+)", r"mac \1"),
        (COMMAND + r"link set dev (?:\$IFACE master (\S+))", r"in \1"),
        (COMMAND + r"link add link (\S+) name \$IFACE type vlan id (\d+)", r"vlan \2 & upon \1"),
        (r"inet6? vlan-raw-device (\S+)", r"vlan TAG & upon \1"), (r"inet6? vlan-id (\d+)", r"vlan \1"),
        (r"inet6? (?:bond-slaves|bridge-ports) (\S+)", r"@\1 in NAME"),
        (r"inet6? (?:pre-up|up) echo (\S+) > /sys/class/net/\$IFACE/bridge/(\S+)", r"bridge \2 \1"),
        (r"inet6? bridge-(\S+) (.*)", r"bridge \1 \2"),
        (r"inet6? (?:pre-up|up) echo (\S+) > /sys/class/net/\$IFACE/bonding/(\S+)", r"bond \2 \1"),
        (r"inet6? bond-master (\S+)", r"in \1"), (r"inet6? bond-(\S+) (.*)", r"bond \1 \2"), (r"inet6 dhcp", "dhcp6"), (COMMAND + r"rule add (.*)", r"rule \1"),
    ],
    "sysconfig": [
        (r"MTU (\d+)", r"mtu \1"), (r"IPV6_AUTOCONF no", "accept-ra no"), (r"BOOTPROTO dhcp4?(\+auto6)?", "dhcp4"), (r"DHCPV6C yes", "dhcp6"), (r"(?:MACADDR|LLADDR) (\S+)", r"mac \1"),
        (r"(?:MASTER|BRIDGE) (?!yes)(\S+)", r"in \1"), (r"(?:BONDING_SLAVE_\d+|port) (\S+)", r"@\1 in NAME"),
        (r"(?:VID|VLAN_ID) (\d+)", r"vlan \1"), (r"(?:PHYSDEV|ETHERDEVICE) (\S+)", r"upon \1"),
        (r"BRIDGING ([^=]+)=(.*)", r"bridge \1 \2"), (r"(?:BRIDGE_)?(STP) (.*)", r"bridge \1 \2"),
        (r"BRIDGE_(AGEINGTIME|FORWARDDELAY|HELLOTIME|MAXAGE|PRIORITY) (.*)", r"bridge \1 \2"),
        (r"BONDING ([^=]+)=(.*)", r"bond \1 \2"), (r"rule (?:ipv[46] )?(.*)", r"rule \1"),
    ],
}
DIALECTS["ifupdown-alpine"] = DIALECTS["ifupdown"]
DIALECTS["sysconfig-suse"] = [
    (r"BOOTPROTO dhcp", "dhcp4 & dhcp6"), (r"BOOTPROTO dhcp6", "dhcp6"), (r"net/ipv6/conf/(\S+)/accept_ra = 0", r"@\1 accept-ra no"),
] + DIALECTS["sysconfig"]
# Who asks DHCPv6 in these words has no address of it.
STATELESS = ("DHCPV6C_OPTIONS -S", "DHCLIENT6_MODE info")
# One name for an option of a bond, which is the kernel's.
BOND = {
    "mii-monitor-interval": "miimon", "miimonitorsec": "miimon", "up-delay": "updelay", "updelaysec": "updelay",
    "down-delay": "downdelay", "downdelaysec": "downdelay", "transmit-hash-policy": "xmit-hash-policy",
    "transmithashpolicy": "xmit-hash-policy", "lacptransmitrate": "lacp-rate", "arp-ip-targets": "arp-ip-target",
    "arpintervalsec": "arp-interval", "arpvalidate": "arp-validate", "arpalltargets": "arp-all-targets",
    "arpiptargets": "arp-ip-target", "primary-reselect-policy": "primary-reselect",
    "primaryreselectpolicy": "primary-reselect", "fail-over-mac-policy": "fail-over-mac",
    "failovermacpolicy": "fail-over-mac", "gratuitous-arp": "num-grat-arp", "gratuitousarp": "num-grat-arp",
    "allslavesactive": "all-slaves-active", "all-members-active": "all-slaves-active", "minlinks": "min-links",
    "learn-packet-interval": "lp-interval", "learnpacketintervalsec": "lp-interval", "packetsperslave": "packets-per-slave",
    "packets-per-member": "packets-per-slave", "resendigmp": "resend-igmp", "adselect": "ad-select",
    "adactorsystempriority": "ad-actor-sys-prio", "aduserportkey": "ad-user-port-key",
    "dynamictransmitloadbalancing": "tlb-dynamic-lb",
}
# Those of a bridge, whose times the kernel has in hundredths; what is not here is about its ports.
BRIDGE = {
    "stp": "stp", "stp_state": "stp", "forward_delay": "forward-delay", "forwarddelaysec": "forward-delay", "fd": "forward-delay",
    "forwarddelay": "forward-delay", "hello": "hello-time", "hello_time": "hello-time", "hellotimesec": "hello-time",
    "hellotime": "hello-time", "max_age": "max-age", "maxagesec": "max-age", "maxage": "max-age", "ageing": "ageing-time",
    "ageing_time": "ageing-time", "ageingtimesec": "ageing-time", "ageingtime": "ageing-time", "priority": "priority",
    "bridgeprio": "priority", "forward-delay": "forward-delay", "hello-time": "hello-time", "max-age": "max-age",
    "ageing-time": "ageing-time",
}
FLAGS = ("all-slaves-active", "tlb-dynamic-lb", "use-carrier")
WORDS = {
    "gatewayonlink": "onlink", "on-link": "onlink", "preferredsource": "src", "mtubytes": "mtu", "firewallmark": "mark",
    "fwmark": "mark", "typeofservice": "tos", "type-of-service": "tos",
}
RULE = ("from", "to", "table", "priority", "mark", "tos")
ROUTE = ("via", "metric", "table", "mtu", "src", "onlink", "type", "scope")
# Where a manager wants a number for each rule, ours begin here; they are in the order of the document.
FIRST_PRIORITY = 30_000


def of(facts, renderer):
    found = set()
    # Who is a member of a bond may repeat the bond's parameters, which count there alone.
    members = {fact.split()[0] for fact in facts if re.fullmatch(r"\S+ inet6? bond-master (?!none).*", fact)}
    # The number of a VLAN may be in its name alone.
    numbered = {fact.split()[0] for fact in facts if fact.split()[1] in ("VID", "VLAN_ID")}
    found |= {f"{name} vlan {tag(name)}" for name, _, rest in (fact.partition(" ") for fact in facts)
              if rest == "VLAN yes" and name not in numbered and tag(name)}
    primaries = {fact.split()[0] for fact in facts if fact.endswith(" Network.PrimarySlave yes")}
    bonds = {fact.split()[0]: fact.split()[2] for fact in facts if " Network.Bond " in fact}
    found |= {f"{bonds[name]} bond primary {name}" for name in primaries if name in bonds}
    is_bond = {fact.split()[0] for fact in facts if fact.endswith(" is one of bonds")}
    # The table of a VRF is that of its routes and rules, which netplan works out.
    vrfs = {fact.split()[0] for fact in facts if fact.endswith(" is one of vrfs")}
    tables = {fact.split()[0]: fact.split()[2] for fact in facts if fact.split()[0] in vrfs and fact.split()[1] == "table"}
    for fact in facts:
        name, _, rest = fact.partition(" ")
        # An alias is another address of the same interface.
        name = re.sub(r":\w+$", "", name) if renderer.startswith("sysconfig") else name
        if name in tables and rest.split()[0] in ("route", "rule") and " table " not in rest:
            rest += f" table {tables[name]}"
        for pattern, effect in COMMON + DIALECTS[renderer]:
            match = re.fullmatch(pattern, rest)
            if match:
                # A parameter of netplan may be a bridge's.
                if rest.startswith("parameters.") and name not in is_bond:
                    effect = r"bridge \1 \2"
                if not (effect.startswith("bond") and name in members):
                    found |= set(effects(name, match.expand(effect)))
                break
    # A port has a priority of its own, in the same word.
    ports = {effect.partition(" in ")[0] for effect in found if " in " in effect}
    found -= {effect for effect in found if effect.partition(" bridge ")[0] in ports}
    found -= {f"{name} dhcp6" for name, _, rest in (fact.partition(" ") for fact in facts) if rest in STATELESS}
    # Somebody asks them, whichever interface they stand with; the loopback is for all.
    found |= {f"guest {kind} {one}" for kind, one in servers(found)}
    return found


def servers(found):
    for effect in found:
        _, kind, *rest = effect.split(" ", 2)
        if kind in ("dns", "search") and rest:
            yield kind, rest[0]


def tag(name):
    """The number of a VLAN that its name has."""
    return re.sub(r".*\D0*", "", name)


def effects(name, text):
    for part in text.split(" & "):
        part = part.replace("NAME", name).replace("TAG", tag(name))
        if part == "vlan ":
            continue
        who = name
        if part.startswith("@"):
            who, _, part = part[1:].partition(" ")
        kind, _, rest = part.partition(" ")
        if kind == "bond":
            yield from (f"{who} {option}" for option in bond(*rest.split(" ", 1)))
        elif kind == "bridge":
            yield from (f"{who} {option}" for option in bridge(*rest.split(" ", 1)))
        elif kind in ("route", "rule"):
            yield f"{who} {kind} {words(kind, rest)}"
        elif kind in ("mac", "search"):
            yield from (f"{who} {kind} {one.lower().rstrip('.')}" for one in rest.split())
        else:
            yield f"{who} {part}"


def bond(option, value):
    option = option.lower().replace("_", "-")
    option = BOND.get(option, option)
    if option in FLAGS:
        value = {"1": "yes", "0": "no"}.get(value, value)
    if option == "lp-interval":
        value = value.removesuffix("s")
    if (option, value) == ("mode", "balance-rr"):
        return
    for one in re.split("[, ]", value):
        yield f"bond {option} {re.sub('ms$', '', one)}"


def bridge(option, value):
    option = option.lower()
    if option not in BRIDGE:
        return
    value = re.sub(r"(?<=\d)s$", "", value)
    if BRIDGE[option] == "stp":
        value = {"1": "yes", "0": "no"}.get(value, value)
    elif "_" in option and value.isdecimal():
        value = f"{int(value) / 100:g}"
    yield f"bridge {BRIDGE[option]} {value}"


def words(kind, text):
    """A route or a rule, its words in one order."""
    said = text.split()
    flags = {"onlink"} & set(said) if kind == "route" else set()
    pairs, rest = {}, iter(said)
    for word in rest:
        key = WORDS.get(word.lower(), word.lower())
        key = "src" if (kind, key) == ("route", "from") else key
        if key == "onlink" and "onlink" in flags and "yes" not in said:
            pairs[key] = "yes"
        else:
            pairs[key] = next(rest, "")
    keep = ("to",) + ROUTE if kind == "route" else RULE
    return " ".join(f"{key} {value(kind, key, pairs[key])}" for key in keep if key in pairs and matters(kind, key, pairs[key]))


def matters(kind, key, said):
    """Whether it is more than what is so anyway."""
    if key == "priority":
        return int(said) < FIRST_PRIORITY
    return (key, plain(said)) not in (("onlink", "no"), ("table", "254"), ("table", "main"), ("from", "0.0.0.0/0"), ("from", "::/0"), ("type", "unicast"))


def value(kind, key, said):
    if key in ("mark", "tos", "table", "metric", "priority", "mtu"):
        return str(int(said, 0)) if re.fullmatch(r"\d+|0x[0-9a-f]+", said) else said
    if kind == "rule" and key in ("from", "to"):
        return prefix(said if "/" in said else said + ("/128" if ":" in said else "/32"))
    return {"253": "link", "254": "host"}.get(said, said) if key == "scope" else plain(said)
