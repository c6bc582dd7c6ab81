"""What the git tests share: a home of their own, repositories, the driver."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(
    0, str(pathlib.Path(__file__).resolve().parents[2] / "support")
)

DRIVER = os.environ["GIT_DRIVER"]


class Result:
    """The driver's lines."""

    def __init__(self, process):
        self.status = process.returncode
        self.output = process.stdout
        self.stderr = process.stderr
        words = process.stdout.split()
        self.ok = bool(words) and words[0] == "ok"
        self.commit = words[1] if self.ok else None
        self.digest = words[2] if self.ok else None
        self.code = words[1] if words and words[0] == "error" else None
        for line in process.stdout.splitlines():
            for key in ("display", "mirror", "objects"):
                if line.startswith(key + " "):
                    setattr(self, key, line.split(" ", 1)[1])


class GitTest(unittest.TestCase):
    """self.tmp, self.env with a home in it, self.repo() and self.drive()."""

    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix="pkgsync-git-")
        self.addCleanup(temporary.cleanup)
        self.tmp = pathlib.Path(temporary.name)
        self.mirrors = self.tmp / "mirrors"
        home = self.tmp / "home"
        home.mkdir()
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_AUTHOR_NAME": "A",
            "GIT_AUTHOR_EMAIL": "a@example.org",
            "GIT_COMMITTER_NAME": "A",
            "GIT_COMMITTER_EMAIL": "a@example.org",
            "GIT_AUTHOR_DATE": "1700000000 +0000",
            "GIT_COMMITTER_DATE": "1700000000 +0000",
            "LC_ALL": "C",
        }
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
            if name in os.environ:
                self.env[name] = os.environ[name]

    def git(self, directory, *args, **kwargs):
        return subprocess.run(
            ["git", "-C", str(directory), *args], env=self.env, text=True,
            check=True, stdout=subprocess.PIPE, **kwargs,
        ).stdout.strip()

    def commit(self, repo, name="file.txt", text="one\n"):
        path = repo / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(text, bytes):
            path.write_bytes(text)
        else:
            path.write_text(text)
        self.git(repo, "add", "-A")
        self.git(repo, "commit", "-q", "-m", f"change {name}")
        return self.git(repo, "rev-parse", "HEAD")

    def repo(self, name="repo"):
        """A repository with one commit on the branch main."""
        path = self.tmp / "srv" / name
        path.mkdir(parents=True)
        self.git(path, "init", "-q", "-b", "main")
        self.commit(path)
        return path

    def set_global(self, key, value):
        self.git(self.tmp, "config", "--global", key, value)

    def argv(self, url, dest=None, options=()):
        return [DRIVER, "--mirrors", str(self.mirrors), *options, url] + (
            [str(dest)] if dest else []
        )

    def drive(self, url, dest=None, *options, env=None, timeout=60):
        if dest:
            dest.mkdir()
        return Result(
            subprocess.run(
                self.argv(url, dest, options), text=True, timeout=timeout,
                env={**self.env, **(env or {})}, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )
        )

    def resolve(self, url, *options, **kwargs):
        """As drive(), but must succeed."""
        result = self.drive(url, None, *options, **kwargs)
        self.assertTrue(result.ok, result.output + result.stderr)
        return result

    def checkout(self, url, name="out", *options, **kwargs):
        dest = self.tmp / name
        result = self.drive(url, dest, *options, **kwargs)
        self.assertTrue(result.ok, result.output + result.stderr)
        return result, dest

    def fails(self, code, url, *options, dest=None, **kwargs):
        result = self.drive(url, dest, *options, **kwargs)
        self.assertEqual(result.code, code, result.output + result.stderr)
        return result.output
