"""Holds standards_driver against the packaging that is importable here, over
generated requirements, markers and direct URLs.  Prints a line for every
difference; exits 1 if there is one.

Where we differ on purpose, and what is compared instead:
  - a URL with control characters, and a NUL after ===, are refused;
  - a string in a marker that packaging's own output would not give back
    (backslashes, line ends, both kinds of quotes) is written with escapes:
    what we write must mean the same to packaging;
  - a direct URL must be a URL whose path exists on this machine if it is one
    of a file, its hash hexadecimal, its subdirectory below the project; a
    commit may be missing.  What packaging refuses is refused.
"""

import argparse
import json
import random
import sys
import warnings

from driver import Driver
from packaging.direct_url import DirectUrl, DirectUrlValidationError
from packaging.markers import (
    InvalidMarker,
    Marker,
    UndefinedComparison,
    UndefinedEnvironmentName,
)
from packaging.requirements import InvalidRequirement, Requirement

ENVIRONMENT = {
    "os_name": "posix",
    "sys_platform": "linux",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_release": "6.1.0-18-amd64",
    "platform_system": "Linux",
    "platform_version": "#1 SMP",
    "python_version": "3.11",
    "python_full_version": "3.11.7",
    "implementation_name": "cpython",
    "implementation_version": "3.11.7",
}
VARIABLES = [
    *ENVIRONMENT, "os.name", "sys.platform", "platform.version", "platform.machine",
    "platform.python_implementation", "python_implementation", "extra", "extra", "extra",
    "extras", "dependency_groups", "os-name", "python.version",
]
STRINGS = [
    "3.11", "3.8", "3.11.7", "3.11.*", "3.12a1", "3.8,3.9", "3.11.7+local", " 3.11 ", "=3.11",
    "1.0-foo", "6.1.0-18-amd64", "6.1.0", "linux", "posix", "win32", "x86_64", "", "a b", "foo",
    "Foo_Bar", "foo--bar", "os_name", "python_version", "extra", "cp)", "a;b", "\u00e9", "'", '"',
    "\\\\", "\\x41", "\\x4", "\\d", "\\u00e9", "\\101", "\\n", "\\", "a\\\nb", "a\nb",
]
OPERATORS = ["<", "<=", "==", "!=", ">=", ">", "~=", "===", "in", "not in"]
ODD_OPERATORS = ["not  in", "not\tin", "notin", "=", "=>", "<>", "not", "is"]
NAMES = ["foo", "Foo.Bar", "a", "A-b_c", "3to2", "foo_", "0"]
ODD_NAMES = ["foo-", "foo.", "-a", "_a", "\u00e9", "foo\u00e9", "foo bar", ""]
VERSIONS = [
    "1", "1.0", "1.0.*", "v1", "1!2.0", "1.0a1", "1.0.post1", "1.0-1", "1.0.dev3", "1.0+cu118",
    "1.0+a.b-c_d", "1.0rc1.post2.dev3", "1.0alpha", "1.0preview2", "1.0-r4", "1.0c2", "2013-01",
    "1.0_rev", "1.0a-",
]
ODD_VERSIONS = ["x", "", "*", "1.*", "1.0a1.*", "1.0+", "1.0 2", "===1", "1.0 .*", "1\u00e9"]
BLANKS = ["", "", " ", " ", "  ", "\t"]
ODD_BLANKS = ["\n", "\xa0", "\u2003", "\x1f", "\u200b", "\x0b"]
URLS = [
    "https://x/y.whl", "git+https://x@main#egg=a", "file:///a", "x", "https://x/y;z",
    "http://\u00e9/", "a\\b",
]
USERS = [
    "", "", "", "git@", "user@", "user:pw@", "user:p@w@", "${A}@", "${A}:${B-1}@", "user:${B}@",
    "git:${P}@", "${}@", "${A}:x@", ":@", "@",
]


class Generator:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.pick = self.random.choice

    def chance(self, p):
        return self.random.random() < p

    def blank(self):
        return self.pick(ODD_BLANKS if self.chance(0.005) else BLANKS)

    def mostly(self, usual, odd):
        return self.pick(odd if self.chance(0.03) else usual)

    def spoilt(self, text):
        if self.chance(0.9):
            return text
        i = self.random.randrange(len(text) + 1)
        noise = self.pick([*"()[];,@'\"=<>~! .*+\\\u00e9\n", "and", "in", ""])
        return text[:i] + noise + text[i + self.random.randrange(2) :]

    # --- markers ---

    def string(self):
        quote = self.pick("'\"")
        return quote + self.pick(STRINGS) + quote

    def comparison(self):
        operands = [self.pick(VARIABLES), self.string()]
        if self.chance(0.4):
            operands.reverse()
        if self.chance(0.1):
            operands = [operands[0], operands[0]]
        operator = self.mostly(OPERATORS, ODD_OPERATORS)
        blank = " " if operator[0].isalpha() else self.blank()
        return blank.join([operands[0], operator, operands[1]])

    def marker(self, depth=0):
        text = self.blank()
        for i in range(self.pick([1, 1, 1, 2, 2, 3, 4])):
            if i:
                text += self.pick([" and ", " or ", "  and "])
            if depth < 4 and self.chance(0.35):
                text += f"({self.blank()}{self.marker(depth + 1)}{self.blank()})"
            else:
                text += self.comparison()
        return text + self.blank()

    def environment(self):
        env = dict(ENVIRONMENT)
        if self.chance(0.2):
            env["python_full_version"] = "3.13.0a1+"
        if self.chance(0.2):
            env["platform_release"] = "6.1"
        if self.chance(0.3):
            env["extras"] = self.pick([[], ["foo"], ["FOO", "foo.bar"]])
            env["dependency_groups"] = self.pick([[], ["foo-bar"]])
        return env

    # --- requirements ---

    def specifiers(self):
        text = f"{self.blank()},{self.blank()}".join(
            self.mostly(OPERATORS[:8], ["=", "=>"])
            + self.blank()
            + self.mostly(VERSIONS, ODD_VERSIONS)
            for _ in range(self.pick([0, 1, 1, 1, 2, 3]))
        )
        text += "," if self.chance(0.05) else ""
        return f"({self.blank()}{text}{self.blank()})" if self.chance(0.25) else text

    def extras(self):
        if self.chance(0.6):
            return ""
        text = f"{self.blank()},{self.blank()}".join(
            self.mostly([*NAMES, "B", "e.1"], ODD_NAMES) for _ in range(self.pick([0, 1, 2, 3]))
        )
        return f"[{self.blank()}{text}{self.blank()}]"

    def requirement(self):
        text = self.blank() + self.mostly(NAMES, ODD_NAMES) + self.blank() + self.extras()
        text += self.blank()
        if self.chance(0.2):
            text += "@" + self.blank() + self.pick(URLS) + self.pick(["", " ", "  "])
        else:
            text += self.specifiers() + self.blank()
        if self.chance(0.5):
            text += ";" + self.marker()
        return self.spoilt(text)

    # --- direct URLs ---

    def value(self, *usual):
        return self.pick(usual) if self.chance(0.95) else self.pick([None, 1, True, [], {}, "x"])

    def url(self):
        if self.chance(0.5):
            return (
                self.pick(["https", "HTTPS", "ssh", "http", "svn+ssh"])
                + "://"
                + self.pick(USERS)
                + self.pick(["g.c", "localhost", "h:8080", "[::1]:3"])
                + self.pick(["", "/", "/r.git", "/a b.zip", "/a?q=1", "/a#f", "/x#", "?q@h"])
            )
        return self.pick(
            ["file://", "FILE://", "file:", "file:/", "file://localhost", "file://u:p@localhost",
             "file://other", "file:./", ""]
        ) + self.pick(["", "/", "/home/me", "home", "/a/", "/a%20b", "/a%zz", "/x#f", "/a b"])

    def info(self):
        kind = self.pick(["vcs_info", "archive_info", "dir_info"])
        if kind == "dir_info":
            return kind, {} if self.chance(0.4) else {"editable": self.value(True, False)}
        if kind == "archive_info":
            info = {}
            if self.chance(0.5):
                info["hash"] = self.value("sha256=" + "f" * 64, "sha256=AB", "md5=12", "sha256")
            if self.chance(0.5):
                info["hashes"] = self.value(
                    {"sha256": "f" * 64}, {"sha256": "AB", "md5": "12"}, {"md5": "12"}, {}
                )
            return kind, info
        info = {"vcs": self.value("git", "hg", "svn"), "commit_id": self.value("a" * 40, "abc")}
        if self.chance(0.3):
            info["requested_revision"] = self.value("main", "v1")
        if self.chance(0.1):
            del info[self.pick(list(info))]
        return kind, info

    def document(self):
        doc = {"url": self.value(self.url())}
        for _ in range(self.pick([1] * 12 + [0, 2])):
            kind, info = self.info()
            doc[kind] = self.value(info)
        if self.chance(0.2):
            doc["subdirectory"] = self.value("sub", "a/b", "", ".", "a b#c")
        return doc


def strings_of(markers):
    for item in markers:
        if isinstance(item, list):
            yield from strings_of(item)
        elif isinstance(item, tuple):
            yield from (node.value for node in item if type(node).__name__ == "Value")


def prints_faithfully(marker):
    """Whether packaging reads its own output as what it was."""
    return not any(
        set(s) & {"\\", "\n", "\r", "\0"} or {"'", '"'} <= set(s)
        for s in strings_of(marker._markers)
    )


def meaning(item):
    """The tree as text, without parentheses around a single thing."""
    while isinstance(item, list) and len(item) == 1:
        (item,) = item
    if isinstance(item, list):
        return f"({' '.join(map(meaning, item))})"
    return item if isinstance(item, str) else repr(item)


class Comparison:
    def __init__(self, seed, count):
        self.driver = Driver()
        self.make = Generator(seed)
        self.count = count
        self.checked = {}
        self.differences = 0

    def check(self, what, given, expected, actual):
        self.checked[what] = self.checked.get(what, 0) + 1
        if expected != actual:
            self.differences += 1
            print(f"{what} {given!r}: packaging {expected!r}, pkgsync {actual!r}")

    def requirements(self):
        for _ in range(self.count):
            text = self.make.requirement()
            actual = self.driver.try_call("requirement", text)
            try:
                r = Requirement(text)
            except InvalidRequirement:
                self.check("requirement refused", text, None, actual)
                continue
            if r.url and any(c < " " or c == "\x7f" for c in r.url):
                self.check("requirement refused", text, None, actual)
                continue
            expected = {
                "name": r.name,
                "extras": sorted(r.extras),
                "specifiers": str(r.specifier),
                "url": r.url,
                "marker": r.marker and str(r.marker),
                "string": str(r),
            }
            if actual and r.marker and not prints_faithfully(r.marker):
                again = Requirement(actual["string"]).marker
                expected["marker"] = meaning(r.marker._markers)
                actual["marker"] = meaning(again._markers)
                expected["string"] = actual["string"] = None
            self.check("requirement", text, expected, actual)

    def markers(self):
        for _ in range(self.count):
            text = self.make.spoilt(self.make.marker())
            actual = self.driver.try_call("marker", text)
            try:
                marker = Marker(text)
            except InvalidMarker:
                self.check("marker refused", text, None, actual)
                continue
            if actual is None or prints_faithfully(marker):
                self.check("marker", text, str(marker), actual)
            else:
                again = Marker(actual)
                self.check(
                    "marker with escapes", text,
                    meaning(marker._markers), meaning(again._markers),
                )
            if actual is not None:
                self.evaluation(text, marker)

    def evaluation(self, text, marker):
        env = self.make.environment()
        extra = self.make.pick([None, None, "", "foo", "Foo.bar"])
        sets = {k: set(env[k]) for k in ("extras", "dependency_groups") if k in env}
        try:
            expected = marker.evaluate({**env, **sets, "extra": extra or ""})
        except (UndefinedComparison, UndefinedEnvironmentName):
            expected = None
        actual = self.driver.try_call("marker_eval", text, env, extra)
        self.check("evaluation", (text, env, extra), expected, actual)

    def direct_urls(self):
        for _ in range(self.count):
            doc = self.make.document()
            actual = self.driver.try_call("direct_url", json.dumps(doc))
            try:
                d = DirectUrl.from_dict(doc)
            except DirectUrlValidationError as e:
                if e.context != "vcs_info.commit_id" or e.message != "Missing required value":
                    self.check("direct URL refused", doc, None, actual)
                continue
            if actual is None:
                continue  # stricter than packaging: see the unit tests
            vcs, archive, directory = d.vcs_info, d.archive_info, d.dir_info
            sha256 = ((archive and archive.hashes) or {}).get("sha256")
            expected = {
                "kind": "vcs" if vcs else "archive" if archive else "dir",
                "url": d.to_dict()["url"].replace(" ", "%20"),
                "vcs": vcs and vcs.vcs,
                "commit": vcs and vcs.commit_id,
                "requested_revision": vcs and vcs.requested_revision,
                "sha256": sha256 and sha256.lower(),
                "editable": bool(directory and directory.editable),
            }
            self.check("direct URL", doc, expected, {k: actual[k] for k in expected})


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=20261124)
    parser.add_argument("--count", type=int, default=10000)
    args = parser.parse_args()
    warnings.simplefilter("ignore")  # of Python, about escapes
    c = Comparison(args.seed, args.count)
    c.requirements()
    c.markers()
    c.direct_urls()
    for what, count in c.checked.items():
        print(f"{count:7} {what}")
    return 1 if c.differences else 0


if __name__ == "__main__":
    sys.exit(main())
