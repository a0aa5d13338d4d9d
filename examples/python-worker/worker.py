#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A Powerhose worker in one file: docs/protocol.md, pyzmq, and nothing else.

    worker.py [ENDPOINT]    the master's backend; default: $POWERHOSE_BACKEND

It does one job at a time, in its only thread. SIGTERM drains it: it finishes what it has and ends with exit code 0.
Without a master for five seconds it ends with exit code 1. R-numbers are those of docs/protocol.md.
"""
import os, re, signal, struct, sys, time
import zmq

REGISTER, WELCOME, JOB, RESULT, CANCEL, PING, PONG, DRAIN, BYE, RECALL, RETURN, STATUS, ERROR = range(1, 14)


def fail(payload):
    raise ValueError(payload.decode("utf-8", "replace"))


def sleep(payload):
    time.sleep(int(payload) / 1000)
    return b"%d" % int(payload)


SERVICES = {
    b"echo": lambda payload: payload,
    b"square": lambda payload: b"%d" % int(payload) ** 2,
    b"fail": fail,
    b"sleep": sleep,
}


# The numbers that WELCOME may have, with their ranges.
NUMBERS = {b"pid": (1, 2**31 - 1), b"heartbeat": (1, 60000), b"liveness": (2, 100), b"max-message": (65536, 1 << 30),
           b"batch": (0, 256), b"prefetch": (0, 256), b"ledger": (0, 1)}
PLAIN = {PING, PONG, BYE}  # commands without fields


def pairs(data):
    """The names and values of a property list or of headers: name-len:1 name value-len:2 value."""
    while data:
        middle = 1 + data[0]
        end = middle + 2 + int.from_bytes(data[middle:middle + 2], "big")
        if middle == 1 or end > len(data):
            raise ValueError("a name or a value is cut short, or a name is empty")
        yield data[1:middle], data[middle + 2:end]
        data = data[end:]


class Worker:
    def __init__(self, endpoint):
        self.endpoint, self.state, self.stopping = endpoint, "waiting", False
        # Fresh at every start: no master must take this process for one that died.
        self.identity = b"python-%d-%s" % (os.getpid(), os.urandom(8).hex().encode())
        self.beat, self.silence, self.patience = 1.0, 3.0, 5.0  # seconds, until WELCOME says otherwise
        self.longest = 1 << 20  # octets, likewise
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.immediate = 1  # keep nothing for a master that is not there: the next one must not get it
        self.socket.sndtimeo, self.socket.linger = 0, 1000  # never wait to send, but let the last RESULT leave
        self.socket.reconnect_ivl, self.socket.reconnect_ivl_max = 50, 1000
        self.socket.connect(endpoint)

    def run(self):
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "stopping", True))  # the job in hand goes on
        heard = self.tried = pinged = time.monotonic()
        while True:
            now = time.monotonic()
            if now - heard > self.patience:
                sys.exit("no master at %s for %g seconds" % (self.endpoint, self.patience))
            if now - max(heard, self.tried) > self.silence or self.state == "registering" and now - self.tried > 3:
                # Connections can die without a word, and some are never tried again by themselves.
                self.reconnect()
            if self.stopping and self.state != "draining":
                if self.state == "waiting":
                    return  # nobody counts on us
                if self.state == "ready":  # not sooner: a job may follow the WELCOME that is on its way
                    self.state = "draining"
                    self.send(DRAIN)
            if self.state in ("ready", "draining") and now - pinged >= self.beat:
                pinged = now
                self.send(PING)
            if self.socket.poll(max(1, min(100, self.beat * 500))):  # a short wait, because SIGTERM does not end it
                try:
                    self.receive(self.socket.recv_multipart())
                except (IndexError, ValueError, struct.error) as error:  # a handler's do not come this far
                    print("dropped a malformed message: %s" % error, file=sys.stderr)
                heard = time.monotonic()  # looked at after the job: nobody was silent while we did not listen

    def reconnect(self):
        self.state, self.tried = "waiting", time.monotonic()
        self.socket.disconnect(self.endpoint)
        self.socket.connect(self.endpoint)

    def receive(self, frames):
        head, fields = frames[0][:6], frames[0][6:]
        command = head[5] if len(head) == 6 and head[:4] == b"PHZ\x01" else None
        if command != ERROR and head[4:5] != b"W" or len(frames) != (2 if command == JOB else 1):
            command = None  # not for us, whatever it is
        if command in PLAIN and fields:
            raise ValueError("octets after the last field")
        code = self.error(fields) if command == ERROR else None
        unregistered = code == 1 and self.state != "registering"  # else the answer is on its way
        if frames == [b""] or command == BYE or unregistered:  # a new connection, or the end of our registration
            if self.state == "draining":
                sys.exit(0)
            if self.state == "registering":  # two WELCOMEs on one connection could not be told apart
                return self.reconnect()
            self.state = "waiting"
            if command != BYE:  # else the next master will send a probe
                self.register()
        elif command == WELCOME and self.state == "registering":
            self.welcome(fields)
        elif command == JOB and self.state in ("ready", "draining"):  # any other belongs to the past
            self.work(fields, frames[1])
        elif command == PING and self.state in ("ready", "draining"):
            self.send(PONG)
        elif code not in (None, 0, 1, 3, 5):
            sys.exit("the master refuses this worker: " + ascii(fields[3:].decode("utf-8", "replace")))
        # CANCEL and RECALL: with one thread they are read when their job is done, and mean nothing any more.

    def register(self):
        offer = [(b"identity", self.identity), (b"pid", b"%d" % os.getpid()), (b"host", os.uname().nodename.encode()),
                 (b"language", b"python"), *((b"service", name) for name in SERVICES)]
        self.state, self.tried = "registering", time.monotonic()
        self.send(REGISTER, b"".join(bytes([len(n)]) + n + struct.pack(">H", len(v)) + v for n, v in offer))

    def error(self, fields):
        if len(fields) < 3 or len(fields) != 3 + int.from_bytes(fields[1:3], "big") or len(fields) > 3 + 4096:
            raise ValueError("ERROR with a text that is not there, or too long")
        return fields[0]

    def welcome(self, fields):
        said = {}
        for name, value in pairs(fields):
            if name in said and (name in NUMBERS or name in (b"identity", b"host", b"version")):
                raise ValueError("WELCOME has a property twice")
            said[name] = value
        if not re.fullmatch(rb"[A-Za-z0-9._-]{1,64}", said.get(b"identity", b"")):
            raise ValueError("WELCOME without identity")
        number = {b"heartbeat": 1000, b"liveness": 3, b"max-message": 1 << 20}
        for name in said.keys() & NUMBERS.keys():
            if not re.fullmatch(rb"0|[1-9][0-9]{0,18}", said[name]):
                raise ValueError("WELCOME with something else than a number")
            number[name] = int(said[name])
            if not NUMBERS[name][0] <= number[name] <= NUMBERS[name][1]:
                raise ValueError("WELCOME with a number out of range")
        self.beat = number[b"heartbeat"] / 1000
        self.silence = self.beat * number[b"liveness"]
        self.patience = max(5.0, self.silence + 2 * self.beat)
        self.longest = number[b"max-message"]
        self.state = "ready"

    def work(self, fields, payload):
        job, time_left, length = struct.unpack_from(">12sQB", fields)  # job: id and attempt, echoed as they came
        name, headers = fields[21:21 + length], fields[23 + length:]
        if len(fields) < 23 + length or len(headers) != int.from_bytes(fields[21 + length:23 + length], "big"):
            raise ValueError("JOB: headers-len is not what follows")
        if not re.fullmatch(rb"[!-~]{0,64}", name) or len(headers) > 4096:
            raise ValueError("JOB with an impossible service, or too many headers")
        for _ in pairs(headers):
            pass  # it only looks whether they are in order
        service = SERVICES.get(name)
        if service is None or time_left == 0:
            return self.send(RETURN, job)  # not started and never will be, so another worker may have it
        begin, status = time.monotonic(), 0
        try:
            answer = service(payload)
            if len(answer) > self.longest:
                raise ValueError("the result has %d octets, %d are allowed" % (len(answer), self.longest))
        except Exception as error:  # it fails the job, not the worker, and its text goes to the caller
            status, answer = 1, str(error)[:1000].encode("utf-8", "replace")
        run = min(int((time.monotonic() - begin) * 1e6) + 1, 2**32 - 1)  # helps the master to predict
        self.send(RESULT, job + struct.pack(">BI", status, run), answer)

    def send(self, command, fields=b"", *payload):
        try:
            self.socket.send_multipart([b"PHZ\x01W" + bytes([command]) + fields, *payload])
        except zmq.Again:
            pass  # there is no connection: silence or a probe will tell


if __name__ == "__main__":
    where = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("POWERHOSE_BACKEND")
    sys.exit(Worker(where).run() if where else "usage: worker.py ENDPOINT, or set POWERHOSE_BACKEND")
