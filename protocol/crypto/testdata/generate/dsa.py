# SPDX-License-Identifier: Apache-2.0
"""DSA with BrowserID's two groups. What is made here is checked with OpenSSL."""

import hashlib

import signing
from asymmetric import LIMITS, common
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, utils
from keys import GROUPS, MOCKMYID_X, dsa_x
from symmetric import flip, h
from vector import TESTDATA, File, number, read

HASHES = {"DS128": ("sha1", hashes.SHA1()), "DS256": ("sha256", hashes.SHA256())}
EXAMPLE_Y = "1a316c6757bc276876e4a479364ab627413da65eca5cfb57a96c84c625b0dd835378f09739f6a2afa7e2c3093123ef6ed3d88ce17eb4c94045ba8b3139ee86b8657c5bb1493540dd72f901712c44d15e2e5cbee7e6f90ffee1104fe61c22a65e237344a6fd2c9f33ed9297f65e48bc2eb83495f3a1734082ba6f7341ed45387d"
MOCKMYID_Y = "738ec929b559b604a232a9b55a5295afc368063bb9c20fac4e53a74970a4db7956d48e4c7ed523405f629b4cc83062f13029c4d615bbacb8b97f5e56f0c7ac9bc1d4e23809889fa061425c984061fca1826040c399715ce7ed385c4dd0d402256912451e03452d3c961614eb458f188e3e8d2782916c43dbe2e571251ce38262"


def public(alg, y):
    p, q, g = GROUPS[alg]
    return dict(dsa_p=number(p), dsa_q=number(q), dsa_g=number(g), dsa_y=number(y))


def secret(alg, x):
    p, q, g = GROUPS[alg]
    return dict(dsa_p=number(p), dsa_q=number(q), dsa_g=number(g), dsa_x=number(x))


def check(alg, y, data, signature):
    p, q, g = GROUPS[alg]
    key = dsa.DSAPublicNumbers(y, dsa.DSAParameterNumbers(p, q, g)).public_key()
    half = len(signature) // 2
    r, s = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
    key.verify(utils.encode_dss_signature(r, s), data, HASHES[alg][1])


def write_group(f, alg):
    prefix, (p, q, g), size = alg.lower(), GROUPS[alg], {"DS128": 20, "DS256": 32}[alg]
    x = dsa_x(alg, "example.com")
    y, other_y = pow(g, x, p), pow(g, x + 1, p)
    make = lambda data: signing.dsa(HASHES[alg][0], GROUPS[alg], x, data)  # noqa: E731
    source = "computed, with the k of RFC 6979"
    for name, data in ("empty", b""), ("sample", b"sample"), ("long", b"x" * 100000):
        check(alg, y, data, make(data))
        f.add(f"{prefix}-{name}", source, "verify", algorithm=alg, data=data, signature=make(data), **public(alg, y), valid=True)
    data = b"sample"
    signature = make(data)
    r, s = signature[:size], signature[size:]
    good = dict(algorithm=alg, data=data, signature=signature, **public(alg, y))
    zeros = {k: bytes(7) + v for k, v in public(alg, y).items()}
    f.add(f"{prefix}-numbers-with-zeros", source, "verify", **{**good, **zeros}, valid=True)
    # r begins with a zero octet, or two, or s does: what old writers then wrote.
    numbers = (b"%d" % i for i in range(10000000))
    short = next(d for d in numbers if make(d)[0] == 0 and make(d)[1] < 128)
    f.add(f"{prefix}-r-begins-with-zero", source, "verify", **{**good, "data": short, "signature": make(short)}, valid=True)
    f.add(f"{prefix}-r-without-its-zero", source + ", as jwcrypto and PyBrowserID write it", "verify", **{**good, "data": short, "signature": make(short)[1:]}, valid=True)
    f.add(f"{prefix}-false-r-without-its-zero-and-trailing-zero", source, "verify", **{**good, "data": short, "signature": make(short)[1:] + b"\0"}, valid=False)
    short = next(d for d in numbers if make(d)[size] == 0)
    f.add(f"{prefix}-s-begins-with-zero", source, "verify", **{**good, "data": short, "signature": make(short)}, valid=True)
    f.add(f"{prefix}-false-s-without-its-zero", source, "verify", **{**good, "data": short, "signature": make(short)[:size] + make(short)[size + 1 :]}, valid=False)
    one, order = number(1, size), number(q, size)
    false = {
        "other-data": {"data": b"Sample"},
        "other-key": {"dsa_y": number(other_y)},
        "changed-r": {"signature": flip(signature, size - 1)},
        "changed-s": {"signature": flip(signature, -1)},
        "swapped": {"signature": s + r},
        "q-less-s": {"signature": r + number(q - int.from_bytes(s, "big"), size)},
        "truncated": {"signature": signature[:-1]},
        "first-octet-missing": {"signature": signature[1:]},
        "half": {"signature": r},
        "trailing-octet": {"signature": signature + b"\0"},
        "leading-zero": {"signature": b"\0" + signature},
        "zero-before-each": {"signature": b"\0" + r + b"\0" + s},
        "der": {"signature": utils.encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))},
        "empty": {"signature": b""},
        "one-octet": {"signature": b"\1"},
        "r-0": {"signature": bytes(size) + s},
        "s-0": {"signature": r + bytes(size)},
        "r-1-s-0": {"signature": one + bytes(size)},
        "r-1-s-q": {"signature": one + order},
        "r-q": {"signature": order + s},
        "s-q": {"signature": r + order},
        "r-plus-q": {"signature": number(int.from_bytes(r, "big") + q, size) + s} if int.from_bytes(r, "big") + q < 1 << 8 * size else None,
        "zeros": {"signature": bytes(2 * size)},
        "ones": {"signature": b"\xff" * 2 * size},
    }
    for name, change in false.items():
        if change:
            f.add(f"{prefix}-false-{name}", source + ", changed", "verify", **{**good, **change}, valid=False)
    other = {"DS128": "DS256", "DS256": "DS128"}[alg]
    f.add(f"{prefix}-group-of-the-other", LIMITS, "verify", **{**good, **public(other, 4)}, error="BAD_KEY")
    rfc = {k: h(next(read(TESTDATA / "rfc6979-dsa.txt"))[k]) for k in ("dsa-p", "dsa-q", "dsa-g", "dsa-y")}
    for name, change in {
        "unknown-group": {k.replace("-", "_"): v for k, v in rfc.items()},
        "other-p": {"dsa_p": number(p + 2)},
        "other-q": {"dsa_q": number(q + 2)},
        "other-g": {"dsa_g": number(g * g % p)},
        "g-1": {"dsa_g": b"\1"},
        "q-1": {"dsa_q": b"\1"},
        "p-even": {"dsa_p": number(p - 1)},
        "p-0": {"dsa_p": b"\0"},
        "p-missing": {"dsa_p": None},
        "q-missing": {"dsa_q": None},
        "g-missing": {"dsa_g": None},
        "y-missing": {"dsa_y": None},
        "y-0": {"dsa_y": b"\0"},
        "y-1": {"dsa_y": b"\1"},
        "y-p-less-1": {"dsa_y": number(p - 1)},
        "y-p": {"dsa_y": number(p)},
        "y-plus-p": {"dsa_y": number(y + p)},
        "y-of-1025-octets": {"dsa_y": bytes(1025 - len(number(y))) + number(y)},
        "with-x": {"dsa_x": number(x)},
    }.items():
        f.add(f"{prefix}-verify-key-{name}", LIMITS, "verify", **{**good, **change}, error="BAD_KEY")
    f.add(f"{prefix}-verify-raw-key", LIMITS, "verify", algorithm=alg, data=data, signature=signature, key=number(y), error="BAD_KEY")
    # y of order 2q: not in the group, and not looked for; then the equation decides.
    f.add(f"{prefix}-y-of-another-order", LIMITS, "verify", **{**good, "dsa_y": number(p - y)}, valid=of_another_order(alg, p - y, data, signature))
    common(f, prefix, good, None)
    sign = dict(algorithm=alg, data=data)
    f.add(f"{prefix}-sign", LIMITS, "sign", **sign, **secret(alg, x), output_length=2 * size)
    f.add(f"{prefix}-sign-ignores-y", LIMITS, "sign", **sign, **secret(alg, x), dsa_y=b"\5", output_length=2 * size)
    f.add(f"{prefix}-sign-x-1", LIMITS, "sign", **sign, **secret(alg, 1), output_length=2 * size)
    f.add(f"{prefix}-sign-x-greatest", LIMITS, "sign", **sign, **secret(alg, q - 1), output_length=2 * size)
    for name, change in {
        "x-missing": {"dsa_x": None},
        "x-0": {"dsa_x": b"\0"},
        "x-q": {"dsa_x": number(q)},
        "x-huge": {"dsa_x": b"\xff" * 1025},
        "other-group": secret(other, 1),
        "other-g": {"dsa_g": number(g + 1)},
        "p-missing": {"dsa_p": None},
    }.items():
        f.add(f"{prefix}-sign-key-{name}", LIMITS, "sign", **sign, **{**secret(alg, x), **change}, error="BAD_KEY")


def of_another_order(alg, y, data, signature):
    p, q, g = GROUPS[alg]
    half = len(signature) // 2
    r, s = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
    w = pow(s, -1, q)
    digest = int.from_bytes(hashlib.new(HASHES[alg][0], data).digest(), "big")
    return pow(g, digest * w % q, p) * pow(y, r * w % q, p) % p % q == r


def write():
    for x, y in (dsa_x("DS128", "example.com"), EXAMPLE_Y), (MOCKMYID_X, MOCKMYID_Y):
        p, q, g = GROUPS["DS128"]
        assert f"{pow(g, x, p):x}" == y
    with File("dsa", "DSA as BrowserID uses it, signatures raw r || s: published assertions, padding, ranges, groups, keys.") as f:
        for b in read(TESTDATA / "generate" / "published-jws.txt"):
            if b["algorithm"].startswith("DS"):
                y, data, signature = int(b["y"], 16), b["data"].encode(), h(b["signature"])
                assert [int(b[k], 16) for k in "pqg"] == [*GROUPS[b["algorithm"]]]
                check(b["algorithm"], y, data, signature)
                f.add(f"dsa-{b['name']}", b["source"], "verify", algorithm=b["algorithm"], data=data, signature=signature, **public(b["algorithm"], y), valid=True)
                f.add(f"dsa-{b['name']}-changed", b["source"] + ", changed", "verify", algorithm=b["algorithm"], data=flip(data, 30), signature=signature, **public(b["algorithm"], y), valid=False)
        for alg in "DS128", "DS256":
            write_group(f, alg)
