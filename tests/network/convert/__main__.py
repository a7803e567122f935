"""Compares two converters, and holds each difference against the table of explanations.

    convert FIXTURES RENDERED TABLE [FIXTURE...]

A line of the table explains some differences, of which the first that fits counts:

    FIXTURES | RENDERERS | DIFFERENCE | VERDICT | why

The first three are patterns as the shell has them; several in one field stand between blanks, but for the difference, which
is `FACT only ours`, `FACT only theirs`, or `fails: REASON` where the peer makes nothing of the document. A difference without
an explanation fails, and so does an explanation of nothing.
"""
import fnmatch
import os
import sys

import facts
import theirs

VERDICTS = ("ours better", "theirs a bug", "equal in effect")


class Explanation:
    def __init__(self, number, line):
        fields = [field.strip() for field in line.split(" | ")]
        if len(fields) != 5 or fields[3] not in VERDICTS:
            sys.exit(f"differences:{number}: not FIXTURES | RENDERERS | DIFFERENCE | VERDICT | why")
        self.number, self.used = number, 0
        self.fixtures, self.renderers, self.difference = fields[0].split(), fields[1].split(), fields[2]

    def explains(self, fixture, renderer, difference):
        fits = lambda name, patterns: any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
        return (fits(fixture, self.fixtures) and fits(renderer, self.renderers)
                and fnmatch.fnmatchcase(difference, self.difference))


def main():
    fixtures, rendered, table, chosen = *sys.argv[1:4], sys.argv[4:]
    with open(table) as lines:
        numbered = [(number, line) for number, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")]
    explanations = [Explanation(*line) for line in numbered]
    pairs = equal = explained = 0
    unexplained = []
    for fixture in chosen or sorted(os.listdir(fixtures)):
        nics = facts.nics(f"{rendered}/{fixture}/nics")
        state = theirs.read(f"{fixtures}/{fixture}", nics)
        if state is None:
            continue
        for renderer in theirs.RENDERERS:
            pairs += 1
            found = list(differences(f"{rendered}/{fixture}/{renderer}", state, renderer, nics))
            equal += not found
            for difference in found:
                match = [one for one in explanations if one.explains(fixture, renderer, difference)]
                if match:
                    match[0].used += 1
                    explained += 1
                else:
                    unexplained.append(f"UNEXPLAINED {fixture} | {renderer} | {difference}")
                if chosen and match:
                    print(f"{fixture} | {renderer} | {difference}  # line {match[0].number}")
    unused = [one for one in explanations if not one.used and not chosen]
    print("\n".join(unexplained + [f"differences:{one.number}: explains nothing" for one in unused]))
    print(f"{pairs} pairs of fixture and renderer: {equal} equal, {explained} differences explained, "
          f"{len(unexplained)} not; {len(unused)} explanations of nothing")
    sys.exit(1 if unexplained or unused or not pairs else 0)


def differences(tree, state, renderer, nics):
    """What only one of the two says."""
    try:
        other = facts.of(theirs.render(state, renderer), renderer, nics)
    except theirs.Fails as error:
        yield f"fails: {error}"
        return
    ours = facts.of(tree, renderer, nics)
    yield from (f"{fact} only ours" for fact in sorted(ours - other))
    yield from (f"{fact} only theirs" for fact in sorted(other - ours))


main()
