# SPDX-License-Identifier: Apache-2.0
"""Signatures that come out the same every time, in plain integers. Slow, and not for secrets."""

import hashlib
import hmac

from vector import number

P256 = {
    "p": 2**256 - 2**224 + 2**192 + 2**96 - 1,
    "b": 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
    "n": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "g": (
        0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
        0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
    ),
}

SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")


def nonces(hash_name, q, x, digest):
    """Yields the k of RFC 6979, section 3.2."""
    qlen = q.bit_length()
    rlen = (qlen + 7) // 8
    size = hashlib.new(hash_name).digest_size

    def bits2int(octets):
        return int.from_bytes(octets, "big") >> max(0, 8 * len(octets) - qlen)

    seed = number(x, rlen) + number(bits2int(digest) % q, rlen)
    v, key = b"\1" * size, b"\0" * size
    mac = lambda data: hmac.digest(key, data, hash_name)  # noqa: E731
    for separator in b"\0", b"\1":
        key = mac(v + separator + seed)
        v = mac(v)
    while True:
        t = b""
        while len(t) < rlen:
            v = mac(v)
            t += v
        if 1 <= bits2int(t[:rlen]) < q:
            yield bits2int(t[:rlen])
        key = mac(v + b"\0")
        v = mac(v)


def dsa(hash_name, group, x, data):
    """r || s, and s || r is never the same."""
    p, q, g = group
    digest = hashlib.new(hash_name, data).digest()
    h = int.from_bytes(digest, "big") >> max(0, 8 * len(digest) - q.bit_length())
    for k in nonces(hash_name, q, x, digest):
        r = pow(g, k, p) % q
        s = pow(k, -1, q) * (h + x * r) % q
        if r and s:
            size = (q.bit_length() + 7) // 8
            return number(r, size) + number(s, size)


def point_add(a, b):
    """Adds two points of P-256; None is the one at infinity."""
    p = P256["p"]
    if a is None or b is None:
        return a or b
    if a[0] == b[0]:
        if (a[1] + b[1]) % p == 0:
            return None
        slope = (3 * a[0] ** 2 - 3) * pow(2 * a[1], -1, p)
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, p)
    x = (slope**2 - a[0] - b[0]) % p
    return x, (slope * (a[0] - x) - a[1]) % p


def point_times(k, point=P256["g"]):
    result = None
    while k:
        if k & 1:
            result = point_add(result, point)
        point = point_add(point, point)
        k >>= 1
    return result


def ecdsa(d, data):
    n = P256["n"]
    digest = hashlib.sha256(data).digest()
    for k in nonces("sha256", n, d, digest):
        r = point_times(k)[0] % n
        s = pow(k, -1, n) * (int.from_bytes(digest, "big") + d * r) % n
        if r and s:
            return number(r, 32) + number(s, 32)


def uncompressed(point):
    return b"\4" + number(point[0], 32) + number(point[1], 32)


def rsa_raw(key, block):
    size = (key["n"].bit_length() + 7) // 8
    return number(pow(int.from_bytes(block, "big"), key["d"], key["n"]), size)


def rsa_pkcs1(key, data, info=SHA256_INFO, hash_name="sha256"):
    size = (key["n"].bit_length() + 7) // 8
    tail = b"\0" + info + hashlib.new(hash_name, data).digest()
    return rsa_raw(key, b"\0\1" + b"\xff" * (size - 2 - len(tail)) + tail)


def mgf1(seed, length, hash_name="sha256"):
    blocks = range(-(-length // hashlib.new(hash_name).digest_size))
    return b"".join(hashlib.new(hash_name, seed + number(i, 4)).digest() for i in blocks)[:length]


def rsa_pss(key, data, salt, mask_hash="sha256"):
    """RFC 8017, section 9.1.1, with a salt that is given."""
    bits = key["n"].bit_length() - 1
    size = (bits + 7) // 8
    digest = hashlib.sha256(bytes(8) + hashlib.sha256(data).digest() + salt).digest()
    block = bytes(size - len(salt) - 34) + b"\1" + salt
    masked = bytearray(a ^ b for a, b in zip(block, mgf1(digest, len(block), mask_hash)))
    masked[0] &= 0xFF >> (8 * size - bits)
    return rsa_raw(key, bytes(masked) + digest + b"\xbc")
