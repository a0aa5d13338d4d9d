# SPDX-License-Identifier: Apache-2.0
"""The named keys of the tests, and what the other modules know of them."""

import hashlib
import json

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from vector import TESTDATA, read

GROUPS = {b["name"]: tuple(int(b[k], 16) for k in "pqg") for b in read(TESTDATA / "groups.txt")}
RSA = {b["name"]: {k: int(b[k], 16) for k in "nedpq"} for b in read(TESTDATA / "generate" / "rsa-keys.txt")}

# RFC 8032, section 7.1, tests 1 and 2.
ED25519_SEED = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
ED25519_PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
# RFC 6979, appendix A.2.5.
P256_D = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
# mozilla/browserid's mockmyid.com.
MOCKMYID_X = 0x385CB3509F086E110C5E24BDD395A84B335A09AE


def dsa_x(alg, name):
    """PyBrowserID's habit: the secret is a digest of a name."""
    return int(hashlib.new({"DS128": "sha1", "DS256": "sha256"}[alg], name.encode()).hexdigest(), 16)


def rsa_private(key):
    p, q, d = key["p"], key["q"], key["d"]
    public = rsa.RSAPublicNumbers(key["e"], key["n"])
    return rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public).private_key()


def pem(key):
    if hasattr(key, "private_bytes"):
        return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def browserid(alg, x, private):
    p, q, g = GROUPS[alg]
    numbers = {"y": pow(g, x, p), "p": p, "q": q, "g": g} | ({"x": x} if private else {})
    return json.dumps({"algorithm": "DS"} | {k: f"{v:x}" for k, v in numbers.items()}).encode() + b"\n"


def write():
    p256 = ec.derive_private_key(P256_D, ec.SECP256R1())
    files = {
        "ikm.hkdf": b"0b" * 22 + b"\n",  # RFC 5869, A.1
        "mac.hmac": b"0B" * 20,  # RFC 4231, test case 1; no line end
        "box.aes256": b"  " + b"feffe9928665731c6d6a8f9467308308" * 2 + b"\r\n",  # McGrew and Viega, case 15
        "ed.ed25519": pem(ed25519.Ed25519PrivateKey.from_private_bytes(ED25519_SEED)),
        "ed-public.ed25519": pem(ed25519.Ed25519PublicKey.from_public_bytes(ED25519_PUBLIC)),
        "ec.p256": pem(p256),
        "ec-public.p256": pem(p256.public_key()),
        "rs.rsa-pkcs1": pem(rsa_private(RSA["rfc7515"])),
        "rs-public.rsa-pkcs1": pem(rsa_private(RSA["1024"]).public_key()),
        "ps.rsa-pss": pem(rsa_private(RSA["2049"])),
        "ps-public.rsa-pss": pem(rsa_private(RSA["2047"]).public_key()),
        "example.com.dsa": browserid("DS128", dsa_x("DS128", "example.com"), True),
        "ds256.example.com.dsa": browserid("DS256", dsa_x("DS256", "example.com"), True),
        "mockmyid.com.dsa": browserid("DS128", MOCKMYID_X, False),
    }
    for name, content in files.items():
        (TESTDATA / "keys" / name).write_bytes(content)
    print(f"{len(files)} keys")
