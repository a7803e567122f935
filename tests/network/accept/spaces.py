"""What the managers need around them: interfaces, a message bus, patience."""
import os
import shutil
import subprocess
import time
import uuid


def make(name, mac):
    """A plain interface, up as far as its peer; false where the kernel has none of that name or address to give."""
    peer = f"p-{name}"[:15]
    command = ["ip", "link", "add", name, "address", mac, "type", "veth", "peer", "name", peer]
    if subprocess.run(command, capture_output=True).returncode:
        return False
    subprocess.run(["ip", "link", "set", peer, "up"], check=True)
    return True


def remove(names):
    """Also by another name that a manager may have given."""
    for entry in os.listdir("/sys/class/net"):
        if entry in names or entry.startswith("p-"):
            subprocess.run(["ip", "link", "delete", entry], capture_output=True)


def bus():
    """The system's message bus, once."""
    if not os.path.exists("/run/dbus/system_bus_socket"):
        os.makedirs("/run/dbus", exist_ok=True)
        with open("/etc/machine-id", "w") as identity:
            identity.write(f"{uuid.uuid4().hex}\n")
        subprocess.run(["dbus-daemon", "--system", "--fork", "--nopidfile"], check=True)


def until(reached, patience):
    """Waits for something to be so, at most `patience` seconds."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if reached():
            return True
        time.sleep(0.05)
    return False


def text(path):
    with open(path, errors="replace") as file:
        return file.read()


def into_place(tree, directory):
    """The tree's files of that directory, and no others."""
    shutil.rmtree(directory, ignore_errors=True)
    if os.path.isdir(tree + directory):
        shutil.copytree(tree + directory, directory)
