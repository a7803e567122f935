"""Compares two converters, and holds each difference against the table of explanations.

    convert FIXTURES RENDERED TABLE [FIXTURE...]

A line of the table explains some differences, of which the first that fits counts:

    FIXTURES | RENDERERS | DIFFERENCE | VERDICT | why

The first three are patterns as the shell has them; several in one field stand between blanks, but for the difference, which
is `EFFECT only ours`, `EFFECT only theirs`, with one effect or several between `, `, or `fails: REASON` where the peer makes
nothing of the document. An effect is what the guest would have, whichever way a manager spells it; the name servers of all its
interfaces are `guest`'s too. A difference without an explanation fails, and so does an explanation of nothing.
"""
import fnmatch
import os
import sys

import facts
import guest
import theirs

# The last is of what is to be mended, and is not forgotten here.
VERDICTS = ("ours better", "theirs a bug", "equal in effect", "ours: known")


class Explanation:
    def __init__(self, number, line):
        fields = [field.strip() for field in line.split(" | ")]
        if len(fields) != 5 or fields[3] not in VERDICTS:
            sys.exit(f"differences:{number}: not FIXTURES | RENDERERS | DIFFERENCE | VERDICT | why")
        self.number, self.fixtures, self.renderers = number, fields[0].split(), fields[1].split()
        effects, only, whose = ("", "", "") if fields[2].startswith("fails: ") else fields[2].rpartition(" only ")
        self.differences = [effect + only + whose for effect in effects.split(", ")] if only else [fields[2]]
        self.unused = set(self.differences)
        # What we alone say is named in full: under a wide line it could change without a word.
        if only and whose != "theirs" and any("*" in effect.partition(" ")[2] for effect in effects.split(", ")):
            sys.exit(f"differences:{number}: which effect of ours it is, stands there in full")

    def explains(self, fixture, renderer, difference):
        fits = lambda name, patterns: any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
        if not (fits(fixture, self.fixtures) and fits(renderer, self.renderers)):
            return False
        meant = [one for one in self.differences if fnmatch.fnmatchcase(difference, one)]
        self.unused -= set(meant)
        return bool(meant)


def main():
    fixtures, rendered, table, chosen = *sys.argv[1:4], sys.argv[4:]
    with open(table) as lines:
        numbered = [(number, line) for number, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")]
    explanations = [Explanation(*line) for line in numbered]
    pairs = equal = explained = 0
    unexplained = []
    for fixture in chosen or sorted(os.listdir(fixtures)):
        state = theirs.read(f"{fixtures}/{fixture}", facts.nics(f"{rendered}/{fixture}/nics"))
        if state is None:
            continue
        network = guest.Fixture(f"{rendered}/{fixture}")
        # What the peer makes is there too: else a bond that only it makes would not be missed here.
        network.here |= guest.made(said(state, guest.REFERENCE, network) or ())
        for renderer in theirs.RENDERERS:
            pairs += 1
            found = list(differences(state, renderer, network))
            equal += not found
            for difference in found:
                match = next((one for one in explanations if one.explains(fixture, renderer, difference)), None)
                if match:
                    explained += 1
                else:
                    unexplained.append(f"UNEXPLAINED {fixture} | {renderer} | {difference}")
                if chosen and match:
                    print(f"{fixture} | {renderer} | {difference}  # line {match.number}")
    unused = [f"differences:{one.number}: explains nothing: {what}" for one in explanations for what in one.unused if not chosen]
    print("\n".join(unexplained + unused))
    print(f"{pairs} pairs of fixture and renderer: {equal} equal, {explained} differences explained, "
          f"{len(unexplained)} not; {len(unused)} explanations of nothing")
    sys.exit(1 if unexplained or unused or not pairs else 0)


def said(state, renderer, network):
    """The facts in the peer's files; `None` where it makes none."""
    try:
        return facts.of(theirs.render(state, renderer), renderer, network.nics)
    except theirs.Fails:
        return None


def differences(state, renderer, network):
    """What only one of the two guests would have."""
    try:
        other = facts.of(theirs.render(state, renderer), renderer, network.nics)
    except theirs.Fails as error:
        yield f"fails: {error}"
        return
    ours, other = network.effects(network.said[renderer], renderer), network.effects(other, renderer)
    yield from (f"{effect} only ours" for effect in sorted(ours - other))
    yield from (f"{effect} only theirs" for effect in sorted(other - ours))


main()
