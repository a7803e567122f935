"""The guest of a fixture: which interfaces it has, and what they get."""
import effects
import facts

# It says of each interface that is made that it is one.
REFERENCE = "netplan"


class Fixture:
    def __init__(self, folder):
        self.folder = folder
        # Names that udev gives are in files beside the manager's own, which `render` prints for networkd alone.
        names = facts.renamed(facts.files(f"{folder}/networkd"))
        self.nics = [(names.get(mac.lower(), name), mac) for name, mac in facts.nics(f"{folder}/nics")]
        self.said = {renderer: facts.of(f"{folder}/{renderer}", renderer, self.nics) for renderer in facts.DIALECTS}
        self.here = {name for name, _ in self.nics} | made(self.said[REFERENCE])

    def ours(self):
        return {renderer: self.effects(said, renderer) for renderer, said in self.said.items()}

    def effects(self, said, renderer):
        """What a renderer's files come to, for the interfaces that are there or are made."""
        # To set the address that a card has is nothing.
        own = {f"{name} mac {mac.lower()}" for name, mac in self.nics}
        return {effect for effect in effects.of(said, renderer) - own if effect.split()[0] in self.here | {"guest"}}


def made(said):
    return {fact.split()[0] for fact in said if " is one of " in fact}
