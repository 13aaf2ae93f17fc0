"""Make the vectors of format version 1 with the standard library alone, independently of the package.

python tests/vectors/make_vectors.py            # writes *.json beside this file
"""

import base64
import functools
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


# Ed25519 signing, RFC 8032 section 5.1, in affine coordinates: slow and short.
FIELD = 2**255 - 19
GROUP = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, FIELD) % FIELD
BASE_Y = 4 * pow(5, -1, FIELD) % FIELD
BASE_X = 15112221349535400772501151409588531511454012693041857206046113283949847762202


def point_sum(one, other):
    (x1, y1), (x2, y2) = one, other
    product = D * x1 * x2 * y1 * y2 % FIELD
    x = (x1 * y2 + x2 * y1) * pow(1 + product, -1, FIELD)
    y = (y1 * y2 + x1 * x2) * pow(1 - product, -1, FIELD)
    return x % FIELD, y % FIELD


def point_bytes(scalar):
    """Return the encoding of *scalar* times the base point."""
    total, power = (0, 1), (BASE_X, BASE_Y)
    while scalar:
        if scalar & 1:
            total = point_sum(total, power)
        power, scalar = point_sum(power, power), scalar >> 1
    return (total[1] | (total[0] & 1) << 255).to_bytes(32, "little")


def expanded(seed):
    digest = hashlib.sha512(seed).digest()
    scalar = int.from_bytes(digest[:32], "little") & ~7 & ~(1 << 255) | 1 << 254
    return scalar, digest[32:]


@functools.cache
def ed25519_public(seed):
    return point_bytes(expanded(seed)[0])


def ed25519_sign(seed, message):
    scalar, prefix = expanded(seed)
    nonce = int.from_bytes(hashlib.sha512(prefix + message).digest(), "little") % GROUP
    commitment = point_bytes(nonce)
    hashed = hashlib.sha512(commitment + ed25519_public(seed) + message).digest()
    answer = (nonce + int.from_bytes(hashed, "little") % GROUP * scalar) % GROUP
    return commitment + answer.to_bytes(32, "little")


def base64_text(raw):
    return base64.b64encode(raw).decode()


SEED = hashlib.sha256(b"a signing key for vectors, not a secret").digest()
OTHER_SEED = hashlib.sha256(b"another signing key for vectors").digest()


def key_hash(name, seed, kind=b"\1"):
    return hashlib.sha256(name.encode() + b"\n" + kind + ed25519_public(seed)).digest()[:4]


def verifier_key(name, seed):
    return f"{name}+{key_hash(name, seed).hex()}+{base64_text(bytes([1]) + ed25519_public(seed))}"


def public_pem(seed):
    der = bytes.fromhex("302a300506032b6570032100") + ed25519_public(seed)
    return f"-----BEGIN PUBLIC KEY-----\n{base64_text(der)}\n-----END PUBLIC KEY-----\n"


def signature_line(text, name=ORIGIN, seed=SEED, *, hashed=None):
    value = ed25519_sign(seed, text.encode())
    return f"\u2014 {name} {base64_text((hashed or key_hash(name, seed)) + value)}\n"


def make_notes(log):
    text = f"{ORIGIN}\n5\n{root64(log.leaves[:5])}\n"
    own = signature_line(text)
    good = f"{text}\n{own}"
    other = signature_line(text, seed=OTHER_SEED)
    witness = signature_line(text, "witness.example", OTHER_SEED)
    extended = f"{text}an extension\n"
    encoded = own.split(" ")[2].rstrip("\n")
    short, hash_alone = base64_text(base64.b64decode(encoded)[:-1]), base64_text(bytes(4))
    collision = signature_line(text, seed=OTHER_SEED, hashed=key_hash(ORIGIN, SEED))
    smaller = text.replace("\n5\n", "\n4\n")

    def renamed(name):
        return f"{text}\n{own}{witness.replace('witness.example', name)}"

    rows = [
        ("signed", good, True),
        ("signed, and a witness before", f"{text}\n{witness}{own}", True),
        ("signed, and a witness behind", f"{text}\n{own}{witness}", True),
        ("signed twice", f"{text}\n{own}{own}", True),
        ("signed by another key under the same name as well", f"{text}\n{other}{own}", True),
        ("signed with an extension line", f"{extended}\n{signature_line(extended)}", True),
        ("not signed", text, False),
        ("signed by another key under the same name", f"{text}\n{other}", False),
        ("signed by a witness alone", f"{text}\n{witness}", False),
        ("signed under another name", f"{text}\n{signature_line(text, 'x.example')}", False),
        ("the key hash is another", f"{text}\n{signature_line(text, hashed=bytes(4))}", False),
        ("another size under the signature", good.replace("\n5\n", "\n4\n"), "wrong"),
        ("a smaller tree's signature", f"{text}\n{signature_line(smaller)}", "wrong"),
        ("an extension line added behind the signer's back", f"{extended}\n{own}", "wrong"),
        ("another key's signature under this key's hash", f"{text}\n{collision}", "wrong"),
        ("a good signature before a bad one", f"{text}\n{own}{signature_line(smaller)}", "wrong"),
        ("a good signature behind a bad one", f"{text}\n{signature_line(smaller)}{own}", "wrong"),
        (
            "a signature of 63 bytes",
            f"{text}\n\u2014 {ORIGIN} {short}\n",
            "wrong",
        ),
        ("the text without its newline was signed", f"{text}\n{signature_line(text[:-1])}", "wrong"),
        ("no last newline", good[:-1], "no note"),
        ("an empty line at the end", good + "\n", "no note"),
        ("no signature after the empty line", text + "\n", "no note"),
        ("a hyphen for the em dash", good.replace("\u2014", "-"), "no note"),
        ("two spaces before the signature", good.replace(f"{ORIGIN} ", f"{ORIGIN}  "), "no note"),
        ("a space behind the signature", f"{text}\n{own[:-1]} \n", "no note"),
        ("a signature without its padding", good.replace(encoded, encoded.rstrip("=")), "no note"),
        (
            "a signature of the key hash alone",
            f"{text}\n\u2014 {ORIGIN} {hash_alone}\n",
            "no note",
        ),
        ("a plus sign in a key's name", renamed("witness+"), "no note"),
        (
            "a no-break space in a key's name",
            renamed("w\xa0"),
            "no note",
        ),
        ("a key without a name", renamed(""), "no note"),
        ("carriage returns", good.replace("\n", "\r\n"), "no note"),
        (
            "a zero byte in a key's name",
            renamed("w\0"),
            "no note",
        ),
        ("an empty line in the text", f"{text}\nextension\n\n{own}", "no note"),
        ("101 signatures", f"{text}\n{own * 101}", "no note"),
    ]
    common = {"seed": SEED.hex(), "verifier_key": verifier_key(ORIGIN, SEED), "public_key": public_pem(SEED)}
    return [{"desc": desc, "note": note, "signed": signed} | common for desc, note, signed in rows]


def inclusion(index, leaves):
    """RFC 9162 section 2.1.3.1, as it is written there."""
    if len(leaves) == 1:
        return []
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if index < split:
        return [*inclusion(index, leaves[:split]), tree(leaves[split:])]
    return [*inclusion(index - split, leaves[split:]), tree(leaves[:split])]


def make_proofs(log):
    def proof(index, size, *, path=None, header="c2sp.org/tlog-proof@v1\n", stated=None, extra=""):
        hashes = inclusion(index, log.leaves[:size]) if path is None else path
        body = f"{ORIGIN}\n{size}\n{root64(log.leaves[:size])}\n"
        listed = "".join(base64_text(one) + "\n" for one in hashes)
        number = index if stated is None else stated
        return f"{header}{extra}index {number}\n{listed}\n{body}\n{signature_line(body)}"

    size = len(log.leaves)
    path = inclusion(3, log.leaves)
    good, line, other = proof(3, size), log.lines[3], log.lines[4]
    rows = [(f"line {index} of {size}", proof(index, size), one, True) for index, one in enumerate(log.lines)]
    rows += [
        ("line 3 of the first four", proof(3, 4), line, True),
        ("the only line", proof(0, 1), log.lines[0], True),
        ("extra data, which nothing vouches for", proof(3, size, extra="extra AAEC\n"), line, True),
        ("empty extra data", proof(3, size, extra="extra \n"), line, True),
        ("another line", good, other, False),
        ("the line with a space added", good, line + " ", False),
        ("another index", proof(3, size, stated=2), line, False),
        ("an index beyond the tree", proof(3, size, stated=size), line, False),
        ("an index of 19 digits", proof(3, size, stated=10**18), line, False),
        ("no hashes", proof(3, size, path=[]), line, False),
        ("a hash dropped", proof(3, size, path=path[:-1]), line, False),
        ("a hash added", proof(3, size, path=[*path, bytes(32)]), line, False),
        ("the root added", proof(3, size, path=[*path, tree(log.leaves)]), line, False),
        ("two hashes swapped", proof(3, size, path=[path[1], path[0], *path[2:]]), line, False),
        ("a hash of zeros", proof(3, size, path=[bytes(32), *path[1:]]), line, False),
        ("the path in a smaller tree", proof(3, size, path=inclusion(3, log.leaves[:4])), line, False),
        ("an inner node in the place of a leaf", proof(1, size, path=path[1:]), line, False),
        ("empty", "", line, "no proof"),
        ("another version", proof(3, size, header="c2sp.org/tlog-proof@v2\n"), line, "no proof"),
        ("no header", proof(3, size, header=""), line, "no proof"),
        ("a negative index", proof(3, size, stated=-3), line, "no proof"),
        ("an index with a leading zero", proof(3, size, stated="03"), line, "no proof"),
        ("an index of 20 digits", proof(3, size, stated=10**19), line, "no proof"),
        ("no index", good.replace("index 3\n", ""), line, "no proof"),
        ("extra data behind the index", good.replace("index 3\n", "index 3\nextra AAEC\n"), line, "no proof"),
        ("extra data twice", proof(3, size, extra="extra AAEC\n" * 2), line, "no proof"),
        ("extra data that is not base64", proof(3, size, extra="extra A\n"), line, "no proof"),
        ("a hash of 31 bytes", proof(3, size, path=[bytes(31), *path[1:]]), line, "no proof"),
        ("a hash without its padding", good.replace("=", "", 1), line, "no proof"),
        ("a hash in hex", good.replace(base64_text(path[0]), path[0].hex()), line, "no proof"),
        ("65 hashes", proof(3, size, path=[bytes(32)] * 65), line, "no proof"),
        ("an empty line among the hashes", good.replace("index 3\n", "index 3\n\n"), line, "no proof"),
        ("no checkpoint", good[: good.index("\n\n") + 2], line, "no proof"),
        ("no empty line", good.replace("\n\n", "\n", 1), line, "no proof"),
        ("carriage returns", good.replace("\n", "\r\n"), line, "no proof"),
        ("a byte order mark", "\ufeff" + good, line, "no proof"),
        ("no last newline", good[:-1], line, "no proof"),
    ]
    return [{"desc": desc, "proof": text, "line": one, "holds": holds} for desc, text, one, holds in rows]


def make_verifier_keys():
    name, raw = "vectors.example/audit", ed25519_public(SEED)
    good, hashed = verifier_key(name, SEED), key_hash(name, SEED).hex()
    witness = key_hash(name, SEED, bytes([4])).hex()
    encoded = good.split("+", 2)[2]
    rows = [
        ("a key", good, name),
        ("a name of another script", verifier_key("\u4f8b.example", SEED), "\u4f8b.example"),
        ("empty", "", None),
        ("no name", good.removeprefix(name), None),
        ("a name with a space", verifier_key("vectors example", SEED), None),
        ("a name with a plus sign", verifier_key("vectors+example", SEED), None),
        ("another name", good.replace("vectors", "victors"), None),
        ("another hash", good.replace(f"+{hashed}+", "+00000000+"), None),
        (
            "a hash of 7 digits",
            good.replace(f"+{hashed}+", f"+{hashed[:7]}+"),
            None,
        ),
        (
            "a hash in capitals",
            good.replace(hashed, hashed.upper()),
            None,
        ),
        ("a hash of the key alone", f"{name}+{hashlib.sha256(raw).hexdigest()[:8]}+{encoded}", None),
        (
            "a key of 31 bytes",
            f"{name}+{hashed}+{base64_text(bytes([1]) + raw[:-1])}",
            None,
        ),
        (
            "a witness's kind of key",
            f"{name}+{witness}+{base64_text(bytes([4]) + raw)}",
            None,
        ),
        ("no kind", f"{name}+{hashed}+{base64_text(raw)}", None),
        ("text behind it", good + " ", None),
        (
            "base64 for addresses",
            good.replace(encoded, encoded[:-1] + "_"),
            None,
        ),
        ("a private key", f"PRIVATE+KEY+{good}", None),
    ]
    return [
        {"desc": d, "key": k, "right": n is not None} | ({"name": n, "public": raw.hex()} if n else {})
        for d, k, n in rows
    ]


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
        ("nothing after the empty line", f"{body}\n", False),
        ("no last newline", body[:-1], False),
        ("a signature line without its last newline", f"{body}\n{signature[:-1]}", False),
        ("a signature of four bytes", f"{body}\n\u2014 vectors.example AAAAAA==\n", False),
        ("a tab in an extension line", f"{body}a\tb\n\n{signature}", False),
        ("an empty extension line", f"{body}\nextension\n\n{signature}", False),
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
        "notes.json": make_notes(log),
        "verifier_keys.json": make_verifier_keys(),
        "proofs.json": make_proofs(log),
    }


if __name__ == "__main__":
    for name, content in vectors().items():
        text = json.dumps(content, indent=1) + "\n"
        (pathlib.Path(__file__).parent / name).write_text(text, encoding="ascii")
