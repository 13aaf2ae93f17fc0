"""Make the vectors of format version 1 with the standard library alone, independently of the package.

python tests/vectors/make_vectors.py            # writes *.json beside this file
"""

import base64
import hashlib
import hmac
import json
import pathlib

SECRET = b"a fake key for vectors, not a secret: 0123456789"
LOG_ID = bytes(range(0x10, 0x20))
ORIGIN = "vectors.example/audit/1011121314151617"


def hkdf(salt, info):
    pseudo_random_key = hmac.new(salt or bytes(32), SECRET, hashlib.sha256).digest()
    return hmac.new(pseudo_random_key, info + b"\1", hashlib.sha256).digest()


LINE_KEY = hkdf(LOG_ID, b"or-audit/v1/line")
KCV = hkdf(LOG_ID, b"or-audit/v1/kcv")[:8].hex()
KEY_ID = hkdf(b"", b"or-audit/v1/key-id")[:4].hex()
DIGEST_KEY = hkdf(b"", b"or-audit/v1/digest")
GENESIS_PREV = hashlib.sha256(b"or-audit/v1/genesis\0" + ORIGIN.encode() + b"\0" + LOG_ID).digest()


def leaf(line):
    return hashlib.sha256(b"\0" + line.encode()).digest()


def mac(prev, part):
    return hmac.new(LINE_KEY, b"or-audit/v1/line\0" + prev + part.encode(), hashlib.sha256).hexdigest()


def tree(leaves):
    """RFC 6962 section 2.1, as it is written there."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\1" + tree(leaves[:split]) + tree(leaves[split:])).digest()


def frontier(leaves):
    out, at = [], 0
    for bit in reversed(range(len(leaves).bit_length())):
        if len(leaves) >> bit & 1:
            out.append(tree(leaves[at : at + (1 << bit)]).hex())
            at += 1 << bit
    return out


def root64(leaves):
    return base64.b64encode(tree(leaves)).decode()


class Log:
    def __init__(self):
        self.lines, self.leaves = [], []

    def add(self, members, padded=False):
        seq, prev = len(self.lines), self.leaves[-1] if self.leaves else GENESIS_PREV
        body = json.dumps(members, separators=(",", ":"))
        if padded:
            suffix = len(f',"log":"{"0" * 16}","seq":{seq},"kid":0') + 74 + 1
            missing = 1100 - (len(body) - 1 + suffix)
            body = json.dumps(members | {"pad": " " * max(0, missing)}, separators=(",", ":"))
        part = f'{body[:-1]},"log":"{LOG_ID.hex()[:16]}","seq":{seq},"kid":0'
        line = f'{part},"mac":"{mac(prev, part)}"}}'
        self.lines.append(line)
        self.leaves.append(leaf(line))

    def control(self, event, second, padded=False, **members):
        head = {"event_type": event, "v": 1, "id": f"00000000-0000-4000-8000-{len(self.lines):012d}"}
        self.add(head | {"timestamp": second} | members, padded)

    def checkpoint(self, second):
        self.control(
            "log.checkpoint",
            second,
            size=len(self.leaves),
            root=root64(self.leaves),
            frontier=frontier(self.leaves),
            note=None,
        )


def head(day):
    return {
        "segment": f"audit_{day}.jsonl",
        "day": day,
        "log_id": LOG_ID.hex(),
        "origin": ORIGIN,
        "format": 1,
        "kcv": KCV,
        "vkey": None,
        "policy": None,
        "library": "0.1.0",
    }


def make_log():
    log = Log()
    log.control("log.genesis", "2026-11-21T23:59:58.000000Z", True, **head("2026-11-21"), pad="")
    log.checkpoint("2026-11-21T23:59:58.000001Z")
    log.control(
        "log.start",
        "2026-11-21T23:59:58.000002Z",
        pid=4711,
        host="vectors.example",
        library="0.1.0",
        config=None,
    )
    log.add(
        {
            "event_type": "chat_completion",
            "v": 1,
            "id": "00000000-0000-4000-8000-000000000003",
            "timestamp": "2026-11-21T23:59:58.123456Z",
            "status": "success",
            "user_id": "u-1",
            "total_cost": 0.00042,
            "metadata": {"note": "caf\u00e9 \U0001f600 \ud800 \x7f"},
        }
    )
    log.add(
        {
            "event_type": "chat_completion",
            "v": 1,
            "id": "00000000-0000-4000-8000-000000000004",
            "timestamp": "2026-11-21T23:59:59.000000Z",
            "status": "error",
            "user_id": None,
            "error_code": 429,
            "x_log": "a field that was called log",
        }
    )
    first_segment = len(log.lines)
    log.control(
        "log.open",
        "2026-11-22T00:00:01.000000Z",
        True,
        **head("2026-11-22"),
        prev_segment="audit_2026-11-21.jsonl",
        base_leaf=log.leaves[-1].hex(),
        frontier=frontier(log.leaves),
        pad="",
    )
    log.checkpoint("2026-11-22T00:00:01.000001Z")
    log.control("log.stop", "2026-11-22T00:00:02.000000Z", pid=4711)
    log.checkpoint("2026-11-22T00:00:02.000001Z")
    return log, first_segment


def make_lines(line):
    good = line
    suffix = good.index(',"log":')
    broken = [
        ("empty", ""),
        ("no suffix at all", good[:suffix] + "}"),
        ("no MAC", good[: good.index(',"mac":')] + "}"),
        ("an upper-case digit in the MAC", good[:-10] + good[-10:].upper().replace("0", "A")),
        ("a MAC of 63 digits", good[:-3] + '"}'),
        ("a MAC of 65 digits", good[:-2] + '0"}'),
        ("seq with a leading zero", good.replace('"seq":4', '"seq":04')),
        ("a negative seq", good.replace('"seq":4', '"seq":-4')),
        ("seq as text", good.replace('"seq":4', '"seq":"4"')),
        ("seq of 20 digits", good.replace('"seq":4', '"seq":10000000000000000000')),
        ("kid with a fraction", good.replace('"kid":0', '"kid":0.0')),
        ("seq and kid swapped", good.replace('"seq":4,"kid":0', '"kid":0,"seq":4')),
        ("a member after the MAC", good[:-1] + ',"x":1}'),
        ("a space after the last brace", good + " "),
        ("a space before the suffix's value", good.replace('"kid":0', '"kid": 0')),
        ("a carriage return at the end", good + "\r"),
        ("a byte order mark", "\ufeff" + good),
        ("a tab inside", good.replace("error", "err\tor", 1)),
        ("a raw non-ASCII character", good.replace("a field", "\u00e4 field", 1)),
        ("a raw DEL", good.replace("a field", "\x7f field", 1)),
        ("two lines in one", good + good[1:] + "\n"),
        ("nothing before the suffix", "{" + good[suffix:]),
        ("log of 15 digits", good.replace('"log":"1', '"log":"')),
    ]
    return [{"desc": desc, "line": text} for desc, text in broken]


def make_macs(log):
    rows = []
    for seq, line in enumerate(log.lines):
        prev = log.leaves[seq - 1] if seq else GENESIS_PREV
        rows.append({"desc": f"line {seq} as it is", "prev": prev.hex(), "line": line, "right": True})
    third, before = log.lines[3], log.leaves[2]
    wrong = [
        ("one letter of the record changed", third.replace("success", "Success"), before),
        ("a number written another way", third.replace("0.00042", "4.2e-4"), before),
        ("an escape written another way", third.replace("\\u00e9", "\\u00E9"), before),
        ("a space added", third.replace('"v":1', '"v": 1'), before),
        ("another seq", third.replace('"seq":3', '"seq":2'), before),
        ("another kid", third.replace('"kid":0', '"kid":1'), before),
        ("another log", third.replace('"log":"1', '"log":"2'), before),
        ("the line before is another", third, log.leaves[3]),
        ("the line before is none", third, bytes(32)),
        ("the MAC of the next line", third[:-66] + log.lines[4][-66:], before),
        ("a MAC of zeros", third[:-66] + "0" * 64 + '"}', before),
    ]
    rows += [{"desc": d, "prev": p.hex(), "line": text, "right": False} for d, text, p in wrong]
    return rows


def make_checkpoints(log):
    body = f"{ORIGIN}\n5\n{root64(log.leaves[:5])}\n"
    signature = "\u2014 vectors.example AAAAAAAA\n"
    rows = [
        ("no signature", body, True),
        ("one signature line", f"{body}\n{signature}", True),
        ("two signature lines", f"{body}\n{signature}{signature}", True),
        ("an extension line", f"{body}extension\n\n{signature}", True),
        ("the root of no lines", f"{ORIGIN}\n0\n{root64([])}\n", True),
        ("empty", "", False),
        ("no size", f"{ORIGIN}\n{root64(log.leaves)}\n", False),
        ("a size with a leading zero", body.replace("\n5\n", "\n05\n"), False),
        ("a negative size", body.replace("\n5\n", "\n-5\n"), False),
        ("a root without its padding", body.replace("=", ""), False),
        (
            "a root in URL-safe base64 of 31 bytes",
            f"{ORIGIN}\n5\n{base64.b64encode(bytes(31)).decode()}\n",
            False,
        ),
        ("a root with stray bits", f"{ORIGIN}\n5\n{'A' * 42}B=\n", False),
        ("an origin with a space", body.replace("vectors.", "vectors ."), False),
        ("an origin of 201 characters", body.replace(ORIGIN, "x" * 201), False),
        ("a signature line without its dash", f"{body}\nvectors.example AAAAAAAA\n", False),
    ]
    return [{"desc": desc, "note": note, "right": right} for desc, note, right in rows]


def vectors():
    """Return {file name: content}."""
    log, first_segment = make_log()
    whole = {
        "desc": "One log of two segments. Strings hold the exact bytes of each line, without its newline.",
        "secret": SECRET.decode(),
        "log_id": LOG_ID.hex(),
        "origin": ORIGIN,
        "line_key": LINE_KEY.hex(),
        "kcv": KCV,
        "key_id": KEY_ID,
        "digest_key": DIGEST_KEY.hex(),
        "prev_of_seq_0": GENESIS_PREV.hex(),
        "segments": {
            "audit_2026-11-21.jsonl": log.lines[:first_segment],
            "audit_2026-11-22.jsonl": log.lines[first_segment:],
        },
        "leaves": [one.hex() for one in log.leaves],
        "roots": [root64(log.leaves[:size]) for size in range(len(log.leaves) + 1)],
        "frontiers": [frontier(log.leaves[:size]) for size in range(len(log.leaves) + 1)],
    }
    return {
        "log.json": whole,
        "lines.json": make_lines(log.lines[4]),
        "macs.json": make_macs(log),
        "checkpoints.json": make_checkpoints(log),
    }


if __name__ == "__main__":
    for name, content in vectors().items():
        text = json.dumps(content, indent=1) + "\n"
        (pathlib.Path(__file__).parent / name).write_text(text, encoding="ascii")
