#!/usr/bin/env python3
"""Every kind of source that can be named, built for real."""

import hashlib
import http.server
import json
import os
import subprocess
import tarfile
import unittest
import zipfile

import wheel_support as ws


class Sources(ws.WheelTest):
    def git(self, directory, *args):
        env = {**self.env,
               "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.org",
               "GIT_COMMITTER_NAME": "A",
               "GIT_COMMITTER_EMAIL": "a@example.org",
               "GIT_AUTHOR_DATE": "1700000000 +0000",
               "GIT_COMMITTER_DATE": "1700000000 +0000"}
        return subprocess.run(
            ["git", "-C", str(directory), *args], env=env, text=True,
            check=True, stdout=subprocess.PIPE).stdout.strip()

    def commit(self, repo, value):
        (repo / "module.py").write_text("value = %d\n" % value)
        self.git(repo, "add", "-A")
        self.git(repo, "commit", "-q", "-m", "value %d" % value)
        return self.git(repo, "rev-parse", "HEAD")

    def repository(self):
        """main has value 3; branch, tag and first commit other values."""
        repo = self.project(at=self.tmp / "repo")
        self.git(repo, "init", "-q", "-b", "main")
        self.first = self.commit(repo, 1)
        self.git(repo, "tag", "v2")
        self.git(repo, "switch", "-q", "-c", "topic")
        self.commit(repo, 2)
        self.git(repo, "tag", "-f", "-a", "-m", "two", "v2")
        self.commit(repo, 4)
        self.git(repo, "switch", "-q", "main")
        self.commit(repo, 3)
        return repo

    def value(self, one):
        with zipfile.ZipFile(one["path"]) as wheel:
            return wheel.read("demo.py").decode()

    def sdist(self, path, name="demo-1.0"):
        archive = self.tmp / (name + ".tar.gz")
        with tarfile.open(archive, "w:gz") as tar:
            tar.add(path, arcname=name)
        return archive

    def venv(self):
        path = self.tmp / "venv"
        subprocess.run(
            [ws.PYTHON, "-m", "venv", "--without-pip", str(path)], check=True,
            env=self.env)
        self.venv_python = path / "bin/python"
        (site,) = path.glob("lib/python3*/site-packages")
        return site

    def install_editable(self, project, name="demo"):
        """What `pip install -e` leaves, as PEP 610 and PEP 660 have it."""
        site = self.venv()
        info = site / (name.replace("-", "_") + "-1.0.dist-info")
        info.mkdir()
        (info / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: %s\nVersion: 1.0\n" % name)
        (info / "RECORD").write_text("")
        (info / "direct_url.json").write_text(json.dumps(
            {"url": project.as_uri(), "dir_info": {"editable": True}}))
        (site / "__editable__.demo.pth").write_text("%s\n" % project)

    # Editable installs.

    def test_an_editable_install_is_found_by_its_name(self):
        project = self.project("my-demo")
        self.install_editable(project, "my-demo")
        one = self.build("--python", self.venv_python, "My_Demo")
        self.assertEqual(one["name"], "my-demo")
        self.assertEqual(one["status"], "built")

    def test_an_editable_install_is_found_from_its_directory(self):
        project = self.project("my-demo")
        self.install_editable(project, "my-demo")
        one = self.build("--python", self.venv_python, project)
        self.build("--python", self.venv_python, "my-demo", status="hit")
        self.assertEqual(one["name"], "my-demo")

    def test_what_pip_installs_as_editable_is_found(self):
        project = self.setuptools_project("my-demo")
        path = self.tmp / "venv"
        subprocess.run([ws.PYTHON, "-m", "venv", "--system-site-packages",
                        str(path)], check=True, env=self.env)
        subprocess.run(
            [path / "bin/python", "-m", "pip", "install", "--quiet",
             "--no-index", "--find-links", ws.WHEELS, "-e", str(project)],
            check=True, env=self.env, stdout=subprocess.DEVNULL)
        one = self.build("--python", path / "bin/python", "my-demo")
        self.assertEqual(one["name"], "my-demo")

    def test_an_editable_install_must_give_a_wheel_of_its_name(self):
        self.install_editable(self.project("other"), "demo")
        self.fails(ws.BUILD, "--python", self.venv_python, "demo",
                   says=["demo", "other"])

    def test_an_editable_install_whose_directory_is_gone_is_named(self):
        project = self.project()
        self.install_editable(project)
        project.rename(self.tmp / "moved")
        self.fails(ws.NOTFOUND, "--python", self.venv_python, "demo",
                   says=["editable install 'demo'", str(project)])

    def test_a_package_that_is_not_editable_is_not_built(self):
        self.venv()
        self.fails(ws.NOTFOUND, "--python", self.venv_python, "requests",
                   says=["requests", "editable"])

    # Git.

    def test_git_takes_branch_tag_and_commit(self):
        repo = self.repository()
        for rev, value in (("", 3), ("@topic", 4), ("@v2", 2),
                           ("@" + self.first, 1), ("@" + self.first[:10], 1)):
            one = self.build("git+file://%s%s" % (repo, rev), status=(
                "hit" if rev == "@" + self.first[:10] else "built"))
            self.assertEqual(self.value(one), "value = %d\n" % value, rev)

    def test_a_new_commit_on_a_branch_is_built(self):
        repo = self.repository()
        self.build("git+file://%s@main" % repo)
        self.build("git+file://%s@main" % repo, status="hit")
        self.commit(repo, 7)
        one = self.build("git+file://%s@main" % repo)
        self.assertEqual(self.value(one), "value = 7\n")

    def test_what_is_not_committed_is_not_built(self):
        repo = self.repository()
        (repo / "module.py").write_text("value = 99\n")
        one = self.build("git+file://%s" % repo)
        self.assertEqual(self.value(one), "value = 3\n")

    def test_git_builds_a_subdirectory(self):
        repo = self.repository()
        self.project("inner", at=repo / "packages/inner")
        self.git(repo, "add", "-A")
        self.git(repo, "commit", "-q", "-m", "inner")
        one = self.build(
            "git+file://%s#subdirectory=packages/inner&egg=inner" % repo)
        self.assertEqual(one["name"], "inner")

    def test_a_bare_repository_is_built_by_its_plain_path(self):
        repo = self.repository()
        bare = self.tmp / "bare.git"
        self.git(self.tmp, "clone", "-q", "--bare", str(repo), str(bare))
        one = self.build(bare)
        self.assertEqual(self.value(one), "value = 3\n")

    def test_the_record_names_the_commit(self):
        repo = self.repository()
        self.build("git+file://%s@v2" % repo)
        (record,) = self.store.glob("builds/*.json")
        self.assertIn(self.git(repo, "rev-parse", "v2^{commit}"),
                      record.read_text())

    def test_a_revision_that_does_not_exist_is_named(self):
        repo = self.repository()
        self.fails(ws.NOTFOUND, "git+file://%s@no-such" % repo,
                   says=["no-such", str(repo)])

    def test_a_subdirectory_that_does_not_exist_is_named(self):
        repo = self.repository()
        self.fails(ws.NOTFOUND, "git+file://%s#subdirectory=nowhere" % repo,
                   says="nowhere")

    def test_a_repository_that_does_not_exist_is_named(self):
        self.fails(ws.NOTFOUND, "git+file://%s/absent" % self.tmp,
                   says="absent")

    def test_a_git_host_that_does_not_answer_is_named(self):
        port = ws.free_port()
        self.fails(ws.UNREACHABLE, "git+http://127.0.0.1:%d/x.git" % port,
                   says="127.0.0.1:%d" % port, timeout=30)

    def test_a_git_server_that_refuses_credentials_is_named(self):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="x"')
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        url = self.serve(self.tmp, Handler)
        error = self.fails(
            ws.AUTH, "git+%s/x.git" % url.replace("://", "://me:s3cret@"),
            says=[url.partition("://")[2]])
        self.assertNotIn("s3cret", json.dumps(error))
        self.fails(ws.AUTH, "git+%s/x.git" % url)

    def test_a_url_shows_no_password(self):
        port = ws.free_port()
        result = self.wheel(
            "git+http://user:s3cret@127.0.0.1:%d/x.git" % port)
        self.assertEqual(result.status, ws.UNREACHABLE, str(result))
        self.assertNotIn("s3cret", result.err + result.out)
        jobs = self.pkgsync("jobs", "--all", "--json")
        self.assertNotIn("s3cret", jobs.out)

    # Sdists.

    def test_an_sdist_is_built_from_a_file(self):
        one = self.build(self.sdist(self.project()))
        self.assertEqual(one["name"], "demo")

    def test_an_sdist_is_built_from_a_url(self):
        archive = self.sdist(self.project())
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        url = "%s/%s" % (self.serve(self.tmp), archive.name)
        one = self.build("%s#sha256=%s" % (url, digest))
        self.assertEqual(one["name"], "demo")
        self.build(url, status="hit")
        # Known by its digest: the server is not asked.
        archive.unlink()
        self.build("%s#sha256=%s" % (url, digest), status="hit")

    def test_an_sdist_with_another_digest_is_refused(self):
        archive = self.sdist(self.project())
        url = "%s/%s" % (self.serve(self.tmp), archive.name)
        self.fails(ws.INTEGRITY, "%s#sha256=%s" % (url, "0" * 64),
                   says=["0" * 64, ws.sha256(archive), "demo-1.0.tar.gz"])
        self.assertFalse((self.state / "jobs").exists())

    def test_an_sdist_that_the_server_does_not_have_is_named(self):
        url = "%s/absent-1.0.tar.gz" % self.serve(self.tmp)
        self.fails(ws.NOTFOUND, url, says=[url, "404"])

    def test_a_server_that_does_not_answer_is_named(self):
        url = "http://127.0.0.1:%d/demo-1.0.tar.gz" % ws.free_port()
        self.fails(ws.UNREACHABLE, url, says="127.0.0.1", timeout=60)

    def test_an_sdist_cannot_write_outside(self):
        path = self.tmp / "evil-1.0.tar.gz"
        with tarfile.open(path, "w:gz") as tar:
            item = tarfile.TarInfo("evil-1.0/../../../escaped")
            tar.addfile(item)
        self.fails(ws.INVALID, path, says="evil-1.0.tar.gz")
        self.assertEqual(list(self.tmp.rglob("escaped")), [])

    def test_a_broken_sdist_is_named(self):
        path = self.tmp / "broken-1.0.tar.gz"
        path.write_bytes(os.urandom(5000))
        self.fails(ws.INVALID, path, says="broken-1.0.tar.gz")

    def test_a_file_that_is_no_sdist_is_refused(self):
        path = self.tmp / "notes.txt"
        path.write_text("hello")
        self.fails(ws.INVALID, path, says=["notes.txt", "sdist"])


if __name__ == "__main__":
    ws.main()
