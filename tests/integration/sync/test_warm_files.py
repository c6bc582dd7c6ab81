"""Requirements files of `pkgsync warm`: what of them must hold, holds."""

import http.server
import socket

import sync_support
from sync_support import make_wheel, sha256
import test_warm
from wheel_support import BUILD, INVALID, NOTFOUND, WHEELS

UNSUPPORTED = 69
NONE = "--hash=sha256:" + "0" * 64


class Files(test_warm.Warm):
    def asked(self, text, status=0, name="requirements.txt"):
        return self.warm("-r", self.requirements(text, name), status=status)

    def hash_of(self, path):
        return "--hash=sha256:" + sha256(path)

    def refused(self, text, says, status=INVALID):
        result = self.asked(text, status)
        self.assertIn(says, result.err)
        return result

    def only(self, result):
        self.assertEqual(len(result.wheels), 1, result.doc)
        return result.wheels[0]

    def fails(self, text, code):
        wheel = self.only(self.asked(text, BUILD))
        self.assertEqual((wheel["status"], wheel["error"]["code"]),
                         ("failed", code), wheel)
        return wheel["error"]["message"]

    def version(self, name, version):
        """One of several sdists of a project."""
        self.sdist(name, version)
        (self.tmp / "src" / name).rename(
            self.tmp / "src" / (name + version))

    def unpacked_sdist(self, name="archived", at="archives"):
        self.sdist(name)
        made = self.wheels_dir / (name + "-1.0.tar.gz")
        path = self.tmp / at / made.name
        path.parent.mkdir(exist_ok=True)
        return made.rename(path)


class Hashes(Files):
    def test_a_wheel_of_the_index_has_one_of_them(self):
        wheel = make_wheel(self.wheels_dir, "has-wheel", "1.0")
        good = self.hash_of(wheel)
        for hashes in (good, NONE + " " + good, good + " \\\n " + NONE):
            result = self.asked("has-wheel==1.0 " + hashes)
            self.assertEqual(result.doc["ready"], 1)
            self.assertEqual(result.wheels, [])
        self.fails("has-wheel==1.0 " + NONE, "INTEGRITY")

    def test_a_sdist_of_the_index_has_one_of_them(self):
        self.sdist("source-only")
        good = self.hash_of(self.wheels_dir / "source-only-1.0.tar.gz")
        self.fails("source-only==1.0 " + NONE, "INTEGRITY")
        self.assertEqual(self.jobs(), [])
        wheel = self.only(self.asked("source-only==1.0 %s %s" % (NONE, good)))
        self.assertEqual(wheel["status"], "built")

    def test_the_file_that_has_one_is_chosen_before_a_better_one(self):
        made = make_wheel(self.wheels_dir, "both", "1.0")
        self.sdist("both")
        sdist = self.wheels_dir / "both-1.0.tar.gz"
        page = self.tmp / "pages/simple/both"
        page.mkdir(parents=True)
        links = "".join('<a href="%s#sha256=%s">%s</a>'
                        % (path.name, sha256(path), path.name)
                        for path in (made.rename(page / made.name),
                                     sdist.rename(page / sdist.name)))
        (page / "index.html").write_text(
            "<!DOCTYPE html><html><body>%s</body></html>" % links)
        path = self.requirements(
            "both==1.0 " + self.hash_of(page / sdist.name))
        wheel = self.only(self.pkgsync(
            "warm", "--json", "--quiet", "--python", self.venv,
            "--find-links", WHEELS, "--index-url",
            self.serve(self.tmp / "pages") + "/simple", "-r", path))
        self.assertEqual(wheel["status"], "built")

    def test_archives_by_path_and_by_url_have_one_of_them(self):
        sdist = self.unpacked_sdist()
        wheel = make_wheel(sdist.parent, "my-wheel", "1.0")
        url = self.serve(sdist.parent)
        for source, path in (
                (sdist, sdist), ("%s/%s" % (url, sdist.name), sdist),
                ("archived @ %s/%s" % (url, sdist.name), sdist),
                (wheel, wheel), ("%s/%s" % (url, wheel.name), wheel)):
            with self.subTest(str(source)):
                good = self.hash_of(path)
                for wrong in (NONE, NONE + " " + NONE.replace("0", "1")):
                    self.fails("%s %s" % (source, wrong), "INTEGRITY")
                for right in (good, NONE + " " + good):
                    found = self.only(self.asked("%s %s" % (source, right)))
                    self.assertIn(found["status"], ("built", "hit"))
        self.assertEqual({j["state"] for j in self.jobs()}, {"done"})

    def test_a_hash_of_the_address_and_one_of_the_line_both_hold(self):
        sdist = self.unpacked_sdist()
        url = "%s/%s#sha256=%s" % (self.serve(sdist.parent), sdist.name,
                                   sha256(sdist))
        self.fails(url + " " + NONE, "INTEGRITY")
        self.asked(url + " " + self.hash_of(sdist))

    def test_what_cannot_be_hashed_is_refused_with_its_line(self):
        self.project("pathy", at=self.work / "pathy")
        for line in ("./pathy ", "-e ./pathy ",
                     "git+https://host.invalid/x@main ",
                     "x @ git+https://host.invalid/x@main "):
            self.refused("\n" + line + NONE, "line 2")
        self.refused("x==1 --hash=sha512:" + "0" * 128, "only sha256",
                     UNSUPPORTED)
        self.refused("x==1 --hash=sha256:12", "--hash")
        self.refused("x==1 --hash", "--hash")
        self.refused("x==1 --config-settings=a=b " + NONE,
                     "--config-settings", UNSUPPORTED)
        self.assertEqual(self.jobs(), [])

    def test_require_hashes_wants_one_on_each_line(self):
        wheel = make_wheel(self.wheels_dir, "has-wheel", "1.0")
        good = "has-wheel==1.0 %s\n" % self.hash_of(wheel)
        self.asked("--require-hashes\n" + good)
        for line in ("other==1", "./pathy", "-e ./pathy",
                     "git+https://token:SECRET@host.invalid/x@main"):
            result = self.refused(good + line + "\n--require-hashes\n",
                                  "line 2")
            self.assertIn("--require-hashes", result.err)
            self.assertNotIn("SECRET", str(result))


class Constraints(Files):
    def test_they_choose_among_versions_of_the_index(self):
        for version in ("1.0", "2.0"):
            self.version("source-only", version)
        self.requirements("source_only<2\nother-name==7\n", "c.txt")
        wheel = self.only(self.asked("-c c.txt\nsource-only\n"))
        self.assertEqual(wheel["version"], "1.0")
        self.requirements("source_only>2\n", "c.txt")
        self.fails("-c c.txt\nsource-only\n", "NOTFOUND")

    def test_they_hold_for_what_is_built_from_a_path(self):
        self.project("pathy", at=self.work / "pathy")
        self.requirements("pathy<1.0\n", "c.txt")
        said = self.fails("./pathy\n-c c.txt\n", "INVALID")
        self.assertIn("'pathy<1.0'", said)
        self.requirements("pathy>=1.0\n", "c.txt")
        self.asked("./pathy\n-c c.txt\n")

    def test_their_hashes_hold_as_well(self):
        wheel = make_wheel(self.wheels_dir, "has-wheel", "1.0")
        self.requirements("has-wheel==1.0 %s\n" % NONE, "c.txt")
        self.fails("-c c.txt\nhas-wheel\n", "INTEGRITY")
        self.fails("-c c.txt\nhas-wheel %s\n" % self.hash_of(wheel),
                   "INTEGRITY")

    def test_a_marker_that_does_not_hold_takes_a_constraint_away(self):
        self.sdist("source-only")
        self.requirements("source-only>7; sys_platform=='win32'\n", "c.txt")
        self.asked("-c c.txt\nsource-only\n")

    def test_what_is_no_constraint_is_refused(self):
        for line in ("./pathy", "-e ./pathy", "x @ file:///x-1.tar.gz",
                     "x[extra]<1"):
            self.requirements(line + "\n", "c.txt")
            self.refused("-c c.txt\n", "constraint", UNSUPPORTED)


class Options(Files):
    def test_no_binary_only_binary_and_pre_choose(self):
        make_wheel(self.wheels_dir, "both", "1.0")
        self.version("both", "1.0")
        self.assertEqual(self.asked("both\n").doc["ready"], 1)
        wheel = self.only(self.asked("--no-binary both\nboth\n"))
        self.assertEqual(wheel["status"], "built")
        self.sdist("source-only")
        self.fails("--only-binary=:all:\nsource-only\n", "NOTFOUND")
        self.version("both", "2.0rc1")
        self.assertEqual(self.asked("both\n").doc["ready"], 1)
        wheel = self.only(self.asked("--pre\nboth\n"))
        self.assertEqual(wheel["version"], "2.0rc1")


class Addresses(Files):
    def test_files_are_fetched_and_name_others_beside_them(self):
        self.sdist("source-only")
        pages = self.tmp / "pages"
        (pages / "sub").mkdir(parents=True)
        (pages / "sub/a.txt").write_text("-r b.txt\n-c /c.txt\n")
        (pages / "sub/b.txt").write_text("source-only\n")
        (pages / "c.txt").write_text("source-only==1.0\n")
        url = self.serve(pages)
        wheel = self.only(self.warm("-r", url + "/sub/a.txt"))
        self.assertEqual(wheel["status"], "built")
        wheel = self.only(self.asked("-r %s/sub/a.txt\n" % url))
        self.assertEqual(wheel["status"], "hit")

    def test_a_page_names_no_files_of_this_machine(self):
        pages = self.tmp / "pages"
        pages.mkdir()
        (self.work / "secret.txt").write_text("a b c SECRET\n")
        (pages / "a.txt").write_text("-r %s\n" % (self.work / "secret.txt"))
        result = self.warm("-r", self.serve(pages) + "/a.txt",
                           status=NOTFOUND)
        self.assertNotIn("SECRET", result.err)

    def test_no_password_is_shown(self):
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            port = closed.getsockname()[1]
            for where in ("http://user:PASSWORD@127.0.0.1:%d/r.txt" % port,
                          "http://user:PASSWORD@host.invalid/r.txt",
                          "https://PASSWORD@127.0.0.1:%d/r.txt?sig=PASSWORD"
                          % port,
                          "ftp://user:PASSWORD@127.0.0.1/r.txt"):
                for args in (("-r", where),
                             ("-r", self.requirements("-r %s\n" % where))):
                    result = self.pkgsync("warm", *self.hermetic("warm"),
                                          *args)
                    self.assertNotEqual(result.status, 0)
                    self.assertIn("r.txt", result.err)
                    self.assertNotIn("PASSWORD", str(result.out + result.err))


class Secrets(Files):
    def test_what_a_query_says_is_kept_nowhere(self):
        sdist = self.unpacked_sdist()
        wheel = make_wheel(sdist.parent, "my-wheel", "1.0")
        url = self.serve(sdist.parent)
        path = self.requirements("".join(
            "%s/%s?sig=hUsH-hUsH&x=1\n" % (url, p.name) for p in (sdist, wheel))
            + "%s/missing-1.0.tar.gz?token=hUsH-hUsH\n" % url)
        result = self.pkgsync("warm", "--python", self.venv, "--no-index",
                              "-f", WHEELS, "--verbose", "-r", path)
        self.assertEqual(result.status, BUILD, str(result))
        self.assertIn("my_wheel-1.0", result.err + result.out)
        self.assertIn("archived-1.0", result.err + result.out)
        self.assertNotIn("hUsH-hUsH", result.err + result.out)
        for kept in self.tmp.rglob("*"):
            if kept.is_file() and kept != path:
                self.assertFalse(b"hUsH-hUsH" in kept.read_bytes(), kept)
        result = self.pkgsync("config", env={
            "PKGSYNC_INDEX_URL": "https://host.invalid/simple?sig=hUsH-hUsH"})
        self.assertIn("host.invalid", result.out)
        self.assertNotIn("hUsH-hUsH", result.out)


class Indexes(Files):
    def of_index(self, *args, status=BUILD):
        return self.pkgsync("warm", "--json", "--quiet", "--python",
                            self.venv, *args)

    def test_an_index_that_does_not_answer_is_told_from_one_without_it(self):
        class Handler(http.server.BaseHTTPRequestHandler):
            status = 404

            def do_GET(self):
                self.send_response(type(self).status)
                self.end_headers()

            def log_message(self, *args):
                pass

        self.env.update(PIP_RETRIES="0", PIP_TIMEOUT="5")
        path = self.requirements("nothing-such==1\n")
        url = self.serve(None, Handler)
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            gone = "http://u:PASSWORD@127.0.0.1:%d" % closed.getsockname()[1]
            for status, index, code in (
                    (404, url, "NOTFOUND"), (403, url, "AUTH"),
                    (500, url, "UNREACHABLE"), (404, gone, "UNREACHABLE")):
                with self.subTest(code=code, status=status):
                    Handler.status = status
                    result = self.of_index("--index-url", index + "/simple",
                                           "-r", path)
                    self.assertEqual(result.status, BUILD, str(result))
                    wheel = self.only(result)
                    self.assertEqual(wheel["error"]["code"], code, wheel)
                    self.assertNotIn("PASSWORD", result.out + result.err)
                    if code != "NOTFOUND":
                        self.assertIn("127.0.0.1", wheel["error"]["message"])


if __name__ == "__main__":
    sync_support.main()
