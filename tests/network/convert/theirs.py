"""cloud-init's converter: its own readers, its own renderers, in this process."""
import copy
import json
import logging
import os
import shutil

from cloudinit import distros, net, safeyaml
from cloudinit.net import cmdline, eni, netplan, network_manager, network_state, networkd, sysconfig
from cloudinit.sources import DataSourceEc2
from cloudinit.sources.helpers import openstack

# Ours: their renderer, and a distribution that has it.
RENDERERS = {
    "netplan": (netplan, "ubuntu"),
    "networkd": (networkd, "debian"),
    "network-manager": (network_manager, "fedora"),
    "ifupdown": (eni, "debian"),
    "ifupdown-alpine": (eni, "alpine"),
    "sysconfig": (sysconfig, "rhel"),
    "sysconfig-suse": (sysconfig, "opensuse"),
}
OUT = "/tmp/theirs"
logging.disable(logging.CRITICAL)


class Fails(Exception):
    """The peer makes nothing of the document."""


def fails(error):
    message = f"{type(error).__name__}: {error}".partition("\n")[0].partition("{")[0]
    return Fails(message.strip()[:100])


def read(fixture, nics):
    """What its reader makes of a fixture, or why it fails; `None` for what it has no reader for."""
    macs = {mac: name for name, mac in nics}
    # It also asks the machine, which is another one.
    net.get_interfaces_by_mac = openstack.net.get_interfaces_by_mac = lambda *_, **__: dict(macs)
    try:
        return parsed(fixture, macs)
    except Exception as error:  # whatever it is, it is what a guest would meet
        return fails(error)


def parsed(fixture, macs):
    names = os.listdir(fixture)
    text = lambda name: open(f"{fixture}/{name}").read()
    if "network_data.json" in names:
        return openstack.convert_net_json(json.loads(text("network_data.json")), known_macs=macs)
    if "network-config" in names:
        config = safeyaml.load(text("network-config"))
        return config.get("network", config)
    if "interfaces" in names:
        return eni.convert_eni_data(text("interfaces"))
    if "ec2.json" in names:
        tree = lines(json.loads(text("ec2.json")))
        tree = tree.get("network", tree)
        tree = tree.get("interfaces", tree)
        tree = tree if "macs" in tree else {"macs": tree}
        return DataSourceEc2.convert_ec2_metadata_network_config({"interfaces": tree}, macs, next(iter(macs.values()), None))
    config = cmdline.read_kernel_cmdline_config(text("cmdline").strip())
    return config and config.get("network", config)


def lines(tree):
    """As the peer's crawler keeps what has several lines."""
    if isinstance(tree, dict):
        return {key: lines(value) for key, value in tree.items()}
    return tree.splitlines() if isinstance(tree, str) and "\n" in tree else tree


def render(state, renderer):
    """A tree with its files."""
    if isinstance(state, Fails):
        raise state
    module, name = RENDERERS[renderer]
    shutil.rmtree(OUT, ignore_errors=True)
    os.makedirs(OUT)
    config = copy.deepcopy(distros.fetch(name).renderer_configs.get(module.__name__.rsplit(".", 1)[1])) or {}
    # Some are absolute, and would be written into the root itself.
    config = {key: value.lstrip("/") if key.endswith("_path") else value for key, value in config.items()}
    if module is netplan:
        config.update(postcmds=False, features=["dhcp-use-domains", "ipv6-mtu"])
    try:
        writer = module.Renderer(config=config)
        parsed = network_state.parse_net_config_data(copy.deepcopy(state), renderer=writer)
        writer.render_network_state(network_state=parsed, target=OUT + "/")
    except Exception as error:  # as above
        raise fails(error) from error
    return OUT
