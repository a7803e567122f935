"""Holds what each of our renderers makes of a document against what netplan's does: the guest has the same network under any
manager, or the table says why not.

    agree RENDERED TABLE [FIXTURE...]

A line of the table: `FIXTURES | RENDERERS | EFFECT | why`, the first three patterns as the shell has them; an effect is
`EFFECT missing` or `EFFECT added`. An effect without an explanation fails, and so does an explanation of nothing.
"""
import fnmatch
import os
import sys

import effects
import facts

REFERENCE = "netplan"
# What another file of the guest has for all its interfaces: resolv.conf, SUSE's `config`.
NO_SERVERS = ("ifupdown-alpine", "sysconfig-suse")
# They say otherwise that no announcements are heard: by the method of IPv6, and in sysctl.d.
NO_ACCEPT_RA = ("network-manager", "sysconfig-suse")


def main():
    rendered, table, chosen = sys.argv[1], sys.argv[2], sys.argv[3:]
    with open(table) as lines:
        lines = [(number, line.strip().split(" | ")) for number, line in enumerate(lines, 1) if line.strip() and line[0] != "#"]
    bad = [f"disagreements:{number}: not FIXTURES | RENDERERS | EFFECT | why" for number, line in lines if len(line) != 4]
    used, compared, equal = set(), 0, 0
    for fixture in chosen or sorted(os.listdir(rendered)):
        of = network(f"{rendered}/{fixture}")
        if not of[REFERENCE]:
            continue
        for renderer in of.keys() - {REFERENCE}:
            silent = ("dns", "search") if renderer in NO_SERVERS else ()
            silent += ("accept-ra",) if renderer in NO_ACCEPT_RA else ()
            wanted = {effect for effect in of[REFERENCE] if effect.split()[1] not in silent}
            found = [f"{effect} missing" for effect in wanted - of[renderer]] + [f"{effect} added" for effect in of[renderer] - wanted]
            compared, equal = compared + 1, equal + (not found)
            for effect in sorted(found):
                line = next((number for number, line in lines if fits(line, fixture, renderer, effect)), None)
                used.add(line)
                if line is None:
                    bad.append(f"DISAGREES {fixture} | {renderer} | {effect}")
                elif chosen:
                    print(f"{fixture} | {renderer} | {effect}  # line {line}")
    bad += [f"disagreements:{number}: explains nothing" for number, _ in lines if number not in used and not chosen]
    print("\n".join(bad + [f"{compared} renderings against {REFERENCE}'s: {equal} equal, {len(bad)} without an explanation"]))
    sys.exit(1 if bad or not compared else 0)


def fits(line, fixture, renderer, effect):
    any_of = lambda name, patterns: any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns.split())
    return any_of(fixture, line[0]) and any_of(renderer, line[1]) and fnmatch.fnmatchcase(effect, line[2])


def network(folder):
    """What each renderer's files come to, for the interfaces that are there or are made."""
    nics = facts.nics(f"{folder}/nics")
    # Names that udev gives are in files beside the manager's own, which `render` prints for networkd alone.
    names = facts.renamed(facts.files(f"{folder}/networkd"))
    here = {names.get(mac.lower(), name) for name, mac in nics}
    nics = [(names.get(mac.lower(), name), mac) for name, mac in nics]
    said = {renderer: facts.of(f"{folder}/{renderer}", renderer, nics) for renderer in facts.DIALECTS}
    here |= {fact.split()[0] for fact in said[REFERENCE] if " is one of " in fact}
    return {
        renderer: {effect for effect in effects.of(said[renderer], renderer) if effect.split()[0] in here} for renderer in said
    }


main()
