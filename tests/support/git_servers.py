"""Git servers on loopback, for tests: `git http-backend` behind nginx (http
and https, with and without basic authentication), sshd with throw-away keys,
and a server that accepts and says nothing.

Everything lives in one temporary directory, and every process that was
started is ended by its id.
"""

import contextlib
import getpass
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

USER = "alice"
PASSWORD = "s3cret-w0rd"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for_port(port, process, what):
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"{what} ended with status {process.returncode}")
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.05)
    raise RuntimeError(f"{what} does not listen on port {port}")


def find(program):
    path = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if not path:
        raise FileNotFoundError(program)
    return path


class Processes:
    """What was started, in order; ended in the reverse."""

    def __init__(self):
        self.started = []

    def start(self, argv, **kwargs):
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, start_new_session=True, **kwargs
        )
        self.started.append(process)
        return process

    def close(self):
        for process in reversed(self.started):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self.started = []


NGINX = """
daemon off;
{user}
pid {dir}/nginx.pid;
error_log {dir}/error.log;
worker_processes 1;
events {{ worker_connections 64; }}
http {{
    access_log {dir}/access.log;
    client_body_temp_path {dir}/t1;
    proxy_temp_path {dir}/t2;
    fastcgi_temp_path {dir}/t3;
    uwsgi_temp_path {dir}/t4;
    scgi_temp_path {dir}/t5;
    client_max_body_size 0;
    fastcgi_buffering off;
    server {{
        listen 127.0.0.1:{http};
        listen 127.0.0.1:{https} ssl;
        ssl_certificate {dir}/server.pem;
        ssl_certificate_key {dir}/server.key;
        location ~ ^/public(/.*)$ {{
            include {dir}/backend;
        }}
        location ~ ^/slow(/.*)$ {{
            limit_rate 200k;
            fastcgi_buffering on;
            include {dir}/backend;
        }}
        location ~ ^/private(/.*)$ {{
            auth_basic "git";
            auth_basic_user_file {dir}/users;
            include {dir}/backend;
        }}
        location ~ ^/moved/(.*)$ {{ return 301 /public/$1$is_args$args; }}
        location /page/ {{ return 200 "not a repository"; }}
        location /broken/ {{ return 503; }}
    }}
}}
"""


# In one file, since a location with a parameter of its own inherits none.
BACKEND = """
fastcgi_param SCRIPT_FILENAME {backend};
fastcgi_param GIT_PROJECT_ROOT {repositories};
fastcgi_param GIT_HTTP_EXPORT_ALL "";
fastcgi_param PATH_INFO $1;
fastcgi_param REQUEST_METHOD $request_method;
fastcgi_param QUERY_STRING $query_string;
fastcgi_param CONTENT_TYPE $content_type;
fastcgi_param CONTENT_LENGTH $content_length;
fastcgi_param HTTP_CONTENT_ENCODING $http_content_encoding;
fastcgi_param REMOTE_USER $remote_user;
fastcgi_pass unix:{dir}/fcgi.sock;
"""


class HttpServer:
    """self.http and self.https are ports; self.ca is the authority's file."""

    def __init__(self, directory, repositories):
        self.dir = pathlib.Path(directory)
        self.dir.mkdir()
        self.processes = Processes()
        self.http = free_port()
        self.https = free_port()
        self.ca = self.dir / "ca.pem"
        self._make_certificates()
        (self.dir / "users").write_text(f"{USER}:{{PLAIN}}{PASSWORD}\n")
        backend = subprocess.check_output(
            ["git", "--exec-path"], text=True
        ).strip() + "/git-http-backend"
        config = self.dir / "nginx.conf"
        config.write_text(
            NGINX.format(
                # Started by root, nginx would give the workers to nobody.
                user="user root;" if os.getuid() == 0 else "",
                dir=self.dir,
                http=self.http,
                https=self.https,
            )
        )
        (self.dir / "backend").write_text(
            BACKEND.format(
                dir=self.dir, backend=backend, repositories=repositories
            )
        )
        self.fcgi = self.processes.start(
            [find("fcgiwrap"), "-c", "4", "-s", f"unix:{self.dir}/fcgi.sock"],
            env={"PATH": os.environ["PATH"], "HOME": str(self.dir)},
            stderr=subprocess.DEVNULL,
        )
        nginx = self.processes.start(
            [find("nginx"), "-p", str(self.dir), "-c", str(config)],
            stderr=subprocess.DEVNULL,
        )
        wait_for_port(self.http, nginx, "nginx")

    def _openssl(self, *args):
        subprocess.run(
            [find("openssl"), *args], cwd=self.dir, check=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )

    def _make_certificates(self):
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
               "-nodes")
        self._openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2",
                      "-subj", "/CN=throw-away authority")
        self._openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj",
                      "/CN=127.0.0.1")
        (self.dir / "ext").write_text("subjectAltName=IP:127.0.0.1\n")
        self._openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem",
                      "-CAkey", "ca.key", "-CAcreateserial", "-out",
                      "server.pem", "-days", "2", "-extfile", "ext")

    def url(self, path, scheme="http", login=""):
        port = self.https if scheme == "https" else self.http
        return f"git+{scheme}://{login}127.0.0.1:{port}/{path}"

    def requests(self):
        return (self.dir / "access.log").read_text().splitlines()

    def close(self):
        self.processes.close()


class SshServer:
    """self.command is a GIT_SSH_COMMAND that logs in with the right key."""

    def __init__(self, directory):
        self.dir = pathlib.Path(directory)
        self.dir.mkdir(mode=0o700)
        self.processes = Processes()
        self.port = free_port()
        self.user = getpass.getuser()
        for name in ("host", "client", "stranger"):
            subprocess.run(
                [find("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f",
                 self.dir / name],
                check=True,
            )
        shutil.copy(self.dir / "client.pub", self.dir / "authorized_keys")
        # sshd wants this when root starts it; a service manager makes it.
        if os.getuid() == 0:
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        (self.dir / "sshd_config").write_text(
            f"ListenAddress 127.0.0.1:{self.port}\n"
            f"HostKey {self.dir}/host\n"
            f"PidFile {self.dir}/sshd.pid\n"
            f"AuthorizedKeysFile {self.dir}/authorized_keys\n"
            "PermitRootLogin yes\nPasswordAuthentication no\nUsePAM no\n"
            "KbdInteractiveAuthentication no\nStrictModes no\n"
        )
        with open(self.dir / "sshd.log", "wb") as log:
            sshd = self.processes.start(
                [find("sshd"), "-D", "-e", "-f", self.dir / "sshd_config"],
                stderr=log,
            )
        wait_for_port(self.port, sshd, "sshd")
        host = (self.dir / "host.pub").read_text()
        (self.dir / "known_hosts").write_text(
            f"[127.0.0.1]:{self.port} {host}"
        )
        self.command = self.command_with("client", "known_hosts")

    def command_with(self, key, known_hosts):
        """ssh with a configuration of its own, not the person's."""
        config = self.dir / f"config-{key}-{known_hosts}"
        config.write_text(
            f"Host forge\n  HostName 127.0.0.1\n  Port {self.port}\n"
            f"  User {self.user}\n"
            f"Host *\n  IdentityFile {self.dir}/{key}\n"
            "  IdentitiesOnly yes\n  IdentityAgent none\n"
            f"  UserKnownHostsFile {self.dir}/{known_hosts}\n"
            "  GlobalKnownHostsFile /dev/null\n"
            "  StrictHostKeyChecking yes\n"
        )
        return f"ssh -F {config}"

    def url(self, path):
        return f"git+ssh://{self.user}@127.0.0.1:{self.port}{path}"

    def close(self):
        self.processes.close()


class SilentServer:
    """Accepts connections (the kernel does) and never says a word."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.socket.getsockname()[1]

    def close(self):
        self.socket.close()
