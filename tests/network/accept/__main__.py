"""Lets each network manager read what was rendered for it; inside the managers' root.

    accept RENDERED [MANAGER...]     RENDERED/FIXTURE/RENDERER/PATH

Prints `ok WHAT` or `FAIL WHAT: WHY` for each fixture that has files for the manager. A manager that did not get a single
one fails too: silence is no proof.
"""
import importlib
import os
import sys

MANAGERS = ("netplan", "networkd", "network_manager", "ifupdown", "sysconfig")


def main():
    rendered, chosen = sys.argv[1], sys.argv[2:] or MANAGERS
    for manager in chosen:
        module = importlib.import_module(manager)
        for renderer in module.RENDERERS:
            fixtures = [name for name in sorted(os.listdir(rendered)) if files(f"{rendered}/{name}/{renderer}")]
            if not fixtures:
                print(f"FAIL {renderer}: no fixture has a file for it")
            for fixture in fixtures:
                tree = f"{rendered}/{fixture}/{renderer}"
                wrong = module.accepts(tree, files(tree), nics(f"{rendered}/{fixture}"))
                verdict = "FAIL" if wrong else "ok"
                print(f"{verdict} {renderer} {fixture}" + "".join(f"\n  | {line}" for line in wrong), flush=True)


def files(tree):
    """The paths in the guest of all files of a tree."""
    found = [os.path.join(top, name) for top, _, names in os.walk(tree) for name in names]
    return sorted(path[len(tree) :] for path in found)


def nics(fixture):
    """The interfaces of a fixture's guest: names and MACs."""
    with open(f"{fixture}/nics") as lines:
        return [tuple(line.split()[:2]) for line in lines if len(line.split()) > 1]


main()
