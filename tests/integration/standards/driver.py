"""A conversation with standards_driver; see its head for the operations."""

import atexit
import json
import os
import subprocess


class Refused(Exception):
    """The driver said no; .code is the error's, str() its text."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


class Driver:
    def __init__(self, program=None):
        self.process = subprocess.Popen(
            [program or os.environ["STANDARDS_DRIVER"]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        atexit.register(self.close)

    def close(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait()

    def call(self, op, *args):
        line = json.dumps({"op": op, "args": list(args)}) + "\n"
        self.process.stdin.write(line.encode())
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the driver died of {line}")
        answer = json.loads(answer)
        if answer["ok"]:
            return answer["result"]
        if answer["code"] == "INTERNAL":
            raise RuntimeError(answer["error"])
        raise Refused(answer["code"], answer["error"])

    def try_call(self, op, *args):
        """The result, or None where the driver refuses."""
        try:
            return self.call(op, *args)
        except Refused:
            return None
