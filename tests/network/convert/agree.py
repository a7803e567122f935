"""Holds what each of our renderers makes of a document against what netplan's does: the guest has the same network under any
manager, or the table says why not.

    agree RENDERED TABLE [FIXTURE...]

A line of the table: `FIXTURES | RENDERERS | EFFECT | why`, the first three patterns as the shell has them; an effect is
`EFFECT missing` or `EFFECT added`. An effect without an explanation fails, and so does an explanation of nothing.
"""
import fnmatch
import os
import sys

import guest

REFERENCE = guest.REFERENCE
# What another file of the guest has for all its interfaces: resolv.conf, SUSE's `config`.
NO_SERVERS = ("ifupdown-alpine", "sysconfig-suse")
# It says otherwise that no announcements are heard: by the method of IPv6, which also has it of a card without addresses.
NO_ACCEPT_RA = ("network-manager",)
# netplan asks DHCPv6 wherever announcements are wanted, and networkd asks it when they say so: that is told apart by
# `differential` alone. The guest as a whole has what its interfaces have.
SILENT = ("dhcp6",)


def main():
    rendered, table, chosen = sys.argv[1], sys.argv[2], sys.argv[3:]
    with open(table) as lines:
        lines = [(number, line.strip().split(" | ")) for number, line in enumerate(lines, 1) if line.strip() and line[0] != "#"]
    bad = [f"disagreements:{number}: not FIXTURES | RENDERERS | EFFECT | why" for number, line in lines if len(line) != 4]
    used, compared, equal = set(), 0, 0
    for fixture in chosen or sorted(os.listdir(rendered)):
        of = guest.Fixture(f"{rendered}/{fixture}").ours()
        if not of[REFERENCE]:
            continue
        for renderer in of.keys() - {REFERENCE}:
            silent = ("dns", "search") if renderer in NO_SERVERS else ()
            silent += ("accept-ra",) if renderer in NO_ACCEPT_RA else ()
            silent += SILENT
            wanted, has = (
                {effect for effect in of[one] if effect.split()[1] not in silent and not effect.startswith("guest ")}
                for one in (REFERENCE, renderer)
            )
            found = [f"{effect} missing" for effect in wanted - has] + [f"{effect} added" for effect in has - wanted]
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


main()
