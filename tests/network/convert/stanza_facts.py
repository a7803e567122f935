"""ifupdown: options by interface and family."""
import re

from facts import plain, prefix, route

OLD_ROUTE = re.compile(r"route add (?:-A inet6 )?(?:(default|-net \S+|-host \S+|\S+/\d+))(?: netmask (\S+))?(?: gw (\S+))?(?: metric (\S+))?")


def facts(files, macs):
    found = set()
    for path, text in files.items():
        if path.endswith(".link"):
            continue
        if "udev" in path:
            found |= {f"{path} names {name}" for name in re.findall(r'NAME="([^"]+)"', text)}
            continue
        found |= set(of_file(text))
    return found


def of_file(text):
    name, said, stanzas = None, [], []
    for line in text.splitlines():
        words = line.split(None, 1)
        if not words or words[0].startswith("#"):
            continue
        if words[0] == "iface":
            said = []
            stanzas.append((words[1].split(), said))
        elif words[0] in ("auto", "allow-hotplug"):
            stanzas += [([one, words[0]], []) for one in words[1].split()]
            said = []
        else:
            said.append((words[0], words[1].strip() if len(words) > 1 else ""))
    for header, said in stanzas:
        # An alias is another address of the same interface.
        name = re.sub(r":\d+$", "", header[0])
        if header[1] in ("auto", "allow-hotplug"):
            if header[0] == name and name != "lo":
                yield f"{name} {header[1]}"
        elif not (name == "lo" and not said):
            yield f"{name} {header[1]} {header[2]}"
            yield from (f"{name} {header[1]} {fact}" for fact in of_stanza(said))


def of_stanza(said):
    keys = dict(said)
    for key, value in said:
        if key == "address":
            yield f"address {prefix(value, keys.get('netmask'))}"
        elif key == "gateway":
            yield route("default", value, metric=keys.get("metric"))
        elif key in ("netmask", "metric", "broadcast", "pre-down", "down", "post-down"):
            continue
        elif key in ("dns-nameservers", "dns-nameserver", "dns-search", "bond-slaves", "bridge_ports", "bridge-ports"):
            yield from (f"{key.replace('bridge_', 'bridge-')} {prefix(one)}" for one in value.split())
        elif key in ("up", "post-up") and value.startswith("ip address replace "):
            yield f"address {prefix(value.split()[3])}"
        elif key in ("up", "post-up") and "route" in value:
            yield of_command(value)
        else:
            # `hwaddress` may name the class of hardware first.
            yield f"{key.replace('_', '-')} {plain(value.removeprefix('ether ')).lower() if key == 'hwaddress' else plain(value)}"


def of_command(command):
    """A route, however the command spells it."""
    old = OLD_ROUTE.search(command)
    if old:
        to = old[1].split()[-1]
        to = to if to == "default" else prefix(to, old[2])
        return route(to, old[3], metric=old[4])
    new = re.search(r"ip (?:-\d )?route (?:add|replace|append) (?:(blackhole|unreachable|prohibit|throw|local) )?(\S+)(.*)", command)
    if not new:
        return f"up {command}"
    rest = re.sub(r"\|\| (true|:)", "", new[3])
    words = dict(re.findall(r"(via|metric|table|mtu|src|scope) (\S+)", rest)) | ({"type": new[1]} if new[1] else {})
    on_link = {"onlink": "yes"} if "onlink" in rest else {}
    return route(new[2], words.pop("via", None), **words, **on_link)
