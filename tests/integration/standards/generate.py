"""Texts for the comparison: versions, specifiers, names and tags; valid ones,
nearly valid ones, and noise.  The same seed gives the same texts."""

import random

SEPARATORS = ["", "", ".", "-", "_"]
PRE = ["a", "b", "c", "rc", "alpha", "beta", "pre", "preview", "A", "Rc"]
POST = ["post", "rev", "r", "POST"]
OPERATORS = ["==", "!=", "<=", ">=", "<", ">", "~=", "==="]
BLANKS = ["", "", "", " ", "  ", "\t", "\n", "\xa0", "\u2003", "\x1f", "\u200b"]
NOISE = (
    "0123456789.-_+!*vVaAbBcCrRdDeEpPoOsStTlLxXyYzZ ,;()[]<>=~#/\\'\"\t\n"
    "\xa0\u0660\u0131\u212a\u00e9\u4e2d\U0001f600"
)


class Generator:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def pick(self, options):
        return self.random.choice(options)

    def chance(self, p):
        return self.random.random() < p

    def number(self):
        if self.chance(0.03):
            return str(self.random.randrange(10**40))
        if self.chance(0.1):
            return "0" * self.random.randrange(1, 4) + str(self.random.randrange(12))
        return str(self.random.choice([0, 0, 0, 1, 1, 1, 2, 3, 9, 10, 11, 2024]))

    def release(self):
        return ".".join(self.number() for _ in range(self.random.randrange(1, 5)))

    def suffix(self, words):
        text = self.pick(SEPARATORS) + self.pick(words) + self.pick(SEPARATORS)
        return text + (self.number() if self.chance(0.8) else "")

    def local_part(self):
        if self.chance(0.5):
            return self.number()
        letters = "abzAZ019"
        return "".join(self.pick(letters) for _ in range(self.random.randrange(1, 5)))

    def version(self):
        text = self.pick(["", "", "", "", "v", "V"])
        if self.chance(0.12):
            text += self.number() + "!"
        text += self.release()
        if self.chance(0.35):
            text += self.suffix(PRE)
        if self.chance(0.3):
            text += "-" + self.number() if self.chance(0.3) else self.suffix(POST)
        if self.chance(0.3):
            text += self.suffix(["dev", "DEV"])
        if self.chance(0.2):
            parts = [self.local_part() for _ in range(self.random.randrange(1, 4))]
            text += "+" + self.pick(".-_").join(parts)
        return text

    def spoilt(self, text):
        """One to three small edits."""
        for _ in range(self.random.randrange(1, 4)):
            at = self.random.randrange(len(text) + 1)
            kind = self.random.randrange(4)
            if kind == 0:
                text = text[:at] + self.pick(NOISE) + text[at:]
            elif kind == 1:
                text = text[:at] + text[at + 1 :]
            elif kind == 2:
                text = text[:at] + text[max(0, at - 2) :]
            else:
                text = text[:at] + self.pick(NOISE) + text[at + 1 :]
        return text

    def noise(self):
        return "".join(self.pick(NOISE) for _ in range(self.random.randrange(9)))

    def any_version(self):
        draw = self.random.random()
        if draw < 0.6:
            return self.pick(BLANKS) + self.version() + self.pick(BLANKS)
        return self.spoilt(self.version()) if draw < 0.9 else self.noise()

    def specifier(self):
        operator = self.pick(OPERATORS)
        version = self.version()
        if operator in ("<=", ">=", "<", ">", "~=") and self.chance(0.8):
            version = version.partition("+")[0]
        if self.chance(0.15 if operator in ("==", "!=") else 0.03):
            version = self.release() + ".*"
        if operator == "===" and self.chance(0.3):
            version = self.noise()
        return self.pick(BLANKS) + operator + self.pick(BLANKS) + version

    def specifiers(self):
        count = self.pick([0, 1, 1, 1, 2, 2, 3])
        text = self.pick([",", ", ", " ,"]).join(self.specifier() for _ in range(count))
        if self.chance(0.05):
            text += ","
        return self.spoilt(text) if self.chance(0.15) else text

    def near(self, version):
        """A version in whose neighbourhood the rules of operators differ."""
        base = version.partition("+")[0].partition(".*")[0]
        return base + self.pick(
            ["", ".0", ".0.0", ".1", "a1", ".dev0", ".dev1", ".post0", ".post1"]
            + ["rc1", "+local", "+1", ".post1+l", "a1.dev0", "-1", ".0+local"]
        )

    def name(self):
        letters = "abAB19.-_"
        text = "".join(self.pick(letters) for _ in range(self.random.randrange(1, 9)))
        return self.spoilt(text) if self.chance(0.2) else text

    def tag(self):
        pythons = ["py3", "py2", "cp311", "CP39", "pp3", "_x", "3", "p.y"]
        abis = ["none", "abi3", "cp311", "NONE", "abi3t"]
        platforms = ["any", "linux_x86_64", "Win32", "macosx_11_0_arm64"]
        parts = [
            ".".join(self.pick(row) for _ in range(self.pick([1, 1, 2, 3])))
            for row in (pythons, abis, platforms)
        ]
        text = "-".join(parts)
        return self.spoilt(text) if self.chance(0.3) else text
