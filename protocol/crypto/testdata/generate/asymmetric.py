# SPDX-License-Identifier: Apache-2.0
"""Ed25519, ECDSA, RSA. What is made here is checked with OpenSSL."""

import base64
import math

import signing
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, utils
from keys import P256_D, RSA, rsa_private
from symmetric import MAX_DATA, flip, h
from vector import TESTDATA, File, number, read

LIMITS = "the limits of the service"
L = 2**252 + 27742317777372353535851937790883648493  # the order of Ed25519's group
RFC8032 = [
    ("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "", "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"),
    ("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72", "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"),
    ("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7", "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82", "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"),
    ("833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42", "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf", "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f", "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704"),
]


def write_ed25519():
    with File("ed25519", "Ed25519: RFC 8032, and signatures and keys that are changed, cut or longer.") as f:
        for i, (seed, public, data, signature) in enumerate(RFC8032, 1):
            assert ed25519.Ed25519PrivateKey.from_private_bytes(h(seed)).sign(h(data)).hex() == signature
            source = f"RFC 8032, section 7.1, test {i if i < 4 else 'SHA(abc)'}"
            f.add(f"ed25519-sign-{i}", source, "sign", algorithm="ED25519", key=h(seed), data=h(data), output=h(signature))
            f.add(f"ed25519-verify-{i}", source, "verify", algorithm="ED25519", key=h(public), data=h(data), signature=h(signature), valid=True)
        seed, public, data, signature = map(h, RFC8032[2])
        s = int.from_bytes(signature[32:], "little")
        good = dict(algorithm="ED25519", key=public, data=data, signature=signature)
        false = {
            "other-data": {"data": b"\xaf\x83"},
            "data-truncated": {"data": b"\xaf"},
            "data-with-trailing-octet": {"data": data + b"\0"},
            "other-key": {"key": h(RFC8032[1][1])},
            "no-point": {"key": b"\2" + bytes(31)},
            "changed-r": {"signature": flip(signature, 0)},
            "changed-s": {"signature": flip(signature, 32)},
            "s-plus-order": {"signature": signature[:32] + (s + L).to_bytes(32, "little")},
            "s-of-order": {"signature": signature[:32] + L.to_bytes(32, "little")},
            "zeros": {"signature": bytes(64)},
            "truncated": {"signature": signature[:-1]},
            "first-octet-missing": {"signature": signature[1:]},
            "trailing-octet": {"signature": signature + b"\0"},
            "leading-zero": {"signature": b"\0" + signature},
            "empty": {"signature": b""},
            "missing": {"signature": None},
        }
        for name, change in false.items():
            f.add(f"ed25519-false-{name}", "RFC 8032, section 7.1, test 3, changed", "verify", **{**good, **change}, valid=False)
        common(f, "ed25519", good, seed)
        for name, key in ("short-key", seed[1:]), ("long-key", seed + b"\0"), ("seed-and-public-key", seed + public), ("empty-key", b""):
            f.add(f"ed25519-sign-{name}", LIMITS, "sign", algorithm="ED25519", key=key, data=data, error="BAD_KEY")
            f.add(f"ed25519-verify-{name}", LIMITS, "verify", **{**good, "key": key}, error="BAD_KEY")


def common(f, prefix, good, private):
    """Errors that do not depend on the algorithm; private is a raw key to sign or None."""
    for name, change, error in [
        ("no-algorithm", {"algorithm": None}, "UNKNOWN_ALGORITHM"),
        ("unknown-algorithm", {"algorithm": 7}, "UNKNOWN_ALGORITHM"),
        ("data-too-long", {"data": bytes(MAX_DATA + 1)}, "BAD_LENGTH"),
        ("signature-too-long", {"signature": bytes(1025)}, "BAD_LENGTH"),
        ("algorithm-before-length", {"algorithm": 7, "signature": bytes(1025)}, "UNKNOWN_ALGORITHM"),
    ]:
        f.add(f"{prefix}-verify-{name}", LIMITS, "verify", **{**good, **change}, error=error)
    if private:
        sign = dict(algorithm=good["algorithm"], key=private, data=good["data"])
        f.add(f"{prefix}-verify-no-key", LIMITS, "verify", **{**good, "key": None}, error="BAD_REQUEST")
        f.add(f"{prefix}-sign-no-key", LIMITS, "sign", **{**sign, "key": None}, error="BAD_REQUEST")
        f.add(f"{prefix}-sign-key-without-source", LIMITS, "sign", **{**sign, "key": None}, key_empty="yes", error="BAD_REQUEST")
        f.add(f"{prefix}-sign-no-algorithm", LIMITS, "sign", **{**sign, "algorithm": None}, error="UNKNOWN_ALGORITHM")
        f.add(f"{prefix}-sign-data-too-long", LIMITS, "sign", **{**sign, "data": bytes(MAX_DATA + 1)}, error="BAD_LENGTH")
        f.add(f"{prefix}-verify-key-of-another-kind", LIMITS, "verify", **{**good, "key": None}, rsa_n=number(RSA["rfc7515"]["n"]), rsa_e=b"\1\0\1", error="BAD_KEY")


def check_ecdsa(d, data, signature):
    r, s = (int.from_bytes(part, "big") for part in (signature[:32], signature[32:]))
    public = ec.derive_private_key(d, ec.SECP256R1()).public_key()
    public.verify(utils.encode_dss_signature(r, s), data, ec.ECDSA(hashes.SHA256()))


def b64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


JWS_PAYLOAD = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
ES256 = dict(d="jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI", x="f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", y="x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0")
ES256_SIGNATURE = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"


def write_ecdsa():
    n, p = signing.P256["n"], signing.P256["p"]
    with File("ecdsa", "ECDSA on P-256 with SHA-256, signatures raw r || s: RFC 6979 and RFC 7515, ranges, lengths, keys.") as f:
        point = signing.point_times(P256_D)
        public = signing.uncompressed(point)
        published = {
            b"sample": "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
            b"test": "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083",
        }
        for data, signature in published.items():
            assert signing.ecdsa(P256_D, data).hex() == signature
            check_ecdsa(P256_D, data, h(signature))
            f.add(f"ecdsa-rfc6979-{data.decode()}", "RFC 6979, appendix A.2.5, SHA-256", "verify", algorithm="ECDSA_P256_SHA256", key=public, data=data, signature=h(signature), valid=True)
        data = b"eyJhbGciOiJFUzI1NiJ9." + JWS_PAYLOAD.encode()
        es = {k: b64(v) for k, v in ES256.items()}
        check_ecdsa(int.from_bytes(es["d"], "big"), data, b64(ES256_SIGNATURE))
        f.add("ecdsa-rfc7515", "RFC 7515, appendix A.3", "verify", algorithm="ECDSA_P256_SHA256", key=b"\4" + es["x"] + es["y"], data=data, signature=b64(ES256_SIGNATURE), valid=True)
        data, signature = b"sample", h(published[b"sample"])
        r, s = signature[:32], signature[32:]
        good = dict(algorithm="ECDSA_P256_SHA256", key=public, data=data, signature=signature)
        other = r + number(n - int.from_bytes(s, "big"), 32)
        check_ecdsa(P256_D, data, other)
        f.add("ecdsa-other-s", "RFC 6979, appendix A.2.5, with n - s, which is as good", "verify", **{**good, "signature": other}, valid=True)
        small = next(d for d in (b"%d" % i for i in range(10000)) if signing.ecdsa(P256_D, d)[32] == 0)
        f.add("ecdsa-s-begins-with-zero", "computed", "verify", **{**good, "data": small, "signature": signing.ecdsa(P256_D, small)}, valid=True)
        der = utils.encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
        one, order = number(1, 32), number(n, 32)
        false = {
            "other-data": {"data": b"Sample"},
            "other-key": {"key": b"\4" + es["x"] + es["y"]},
            "changed-r": {"signature": flip(r, 31) + s},
            "changed-s": {"signature": r + flip(s, 31)},
            "swapped": {"signature": s + r},
            "truncated": {"signature": signature[:-1]},
            "first-octet-missing": {"signature": signature[1:]},
            "half": {"signature": r},
            "trailing-octet": {"signature": signature + b"\0"},
            "leading-zero": {"signature": b"\0" + signature},
            "zero-before-each": {"signature": b"\0" + r + b"\0" + s},
            "der": {"signature": der},
            "empty": {"signature": b""},
            "r-0": {"signature": bytes(32) + s},
            "s-0": {"signature": r + bytes(32)},
            "zeros": {"signature": bytes(64)},
            "r-n": {"signature": order + s},
            "s-n": {"signature": r + order},
            "r-1-s-n": {"signature": one + order},
            "r-1-s-0": {"signature": one + bytes(32)},
            "r-and-s-p": {"signature": number(p, 32) * 2},
            "ones": {"signature": b"\xff" * 64},
            "short-s-without-its-zero": {"data": small, "signature": signing.ecdsa(P256_D, small)[:32] + signing.ecdsa(P256_D, small)[33:]},
        }
        for name, change in false.items():
            f.add(f"ecdsa-false-{name}", "RFC 6979, appendix A.2.5, changed", "verify", **{**good, **change}, valid=False)
        private = number(P256_D, 32)
        common(f, "ecdsa", good, private)
        f.add("ecdsa-sign", LIMITS, "sign", algorithm="ECDSA_P256_SHA256", key=private, data=data, output_length=64)
        f.add("ecdsa-sign-d-1", LIMITS, "sign", algorithm="ECDSA_P256_SHA256", key=one, data=data, output_length=64)
        f.add("ecdsa-sign-d-greatest", LIMITS, "sign", algorithm="ECDSA_P256_SHA256", key=number(n - 1, 32), data=data, output_length=64)
        x, y = number(point[0], 32), number(point[1], 32)
        for name, key in {
            "compressed": bytes([2 + (point[1] & 1)]) + x,
            "hybrid": bytes([6 + (point[1] & 1)]) + x + y,
            "without-its-first-octet": x + y,
            "infinity": b"\0",
            "infinity-padded": bytes(65),
            "zeros": b"\4" + bytes(64),
            "not-on-the-curve": b"\4" + x + flip(y, 31),
            "x-not-reduced": b"\4" + number(p + 5, 32) + number(pow(5**3 - 15 + signing.P256["b"], (p + 1) // 4, p), 32),
            "x-p": b"\4" + number(p, 32) + y,
            "trailing-octet": public + b"\0",
            "empty": b"",
            "private": private,
        }.items():
            f.add(f"ecdsa-verify-key-{name}", LIMITS, "verify", **{**good, "key": key}, error="BAD_KEY")
        for name, key in {"zero": bytes(32), "n": order, "ones": b"\xff" * 32, "short": private[1:], "long": b"\0" + private, "public": public, "empty": b""}.items():
            f.add(f"ecdsa-sign-key-{name}", LIMITS, "sign", algorithm="ECDSA_P256_SHA256", key=key, data=data, error="BAD_KEY")


def rsa_public(key):
    return dict(rsa_n=number(key["n"]), rsa_e=number(key["e"]))


def rsa_secret(key):
    return {f"rsa_{k}": number(key[k]) for k in "nedpq"}


def check_rsa(key, pad, data, signature):
    rsa_private(key).public_key().verify(signature, data, pad, hashes.SHA256())


PSS = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
SALT = bytes(range(32))


def write_rsa():
    pkcs1, key = padding.PKCS1v15(), RSA["rfc7515"]
    with File("rsa-pkcs1", "RSASSA-PKCS1-v1_5 with SHA-256: RFC 7515, BrowserID, moduli of odd lengths, forged blocks, keys.") as f:
        data = b"eyJhbGciOiJSUzI1NiJ9." + JWS_PAYLOAD.encode()
        signature = signing.rsa_pkcs1(key, data)
        assert signature.startswith(b64("cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7"))
        check_rsa(key, pkcs1, data, signature)
        common_rsa(f, "rsa-pkcs1", "RSA_PKCS1_SHA256", key, data, signature, "RFC 7515, appendix A.2", lambda k, d: signing.rsa_pkcs1(k, d), pkcs1)
        good = dict(algorithm="RSA_PKCS1_SHA256", data=data, **rsa_public(key))
        for b in read(TESTDATA / "generate" / "published-jws.txt"):
            if b["algorithm"] == "RSA_PKCS1_SHA256":
                f.add(f"rsa-pkcs1-{b['name']}", b["source"], "verify", algorithm=b["algorithm"], data=b["data"].encode(), signature=h(b["signature"]), rsa_n=number(int(b["n"], 16)), rsa_e=number(int(b["e"], 16)), valid=True)
        f.add("rsa-pkcs1-sign", "RFC 7515, appendix A.2", "sign", algorithm="RSA_PKCS1_SHA256", data=data, **rsa_secret(key), output=signature)
        for name in "2049", "4096", "2048-e3":
            f.add(f"rsa-pkcs1-sign-{name}", "computed", "sign", algorithm="RSA_PKCS1_SHA256", data=b"", **rsa_secret(RSA[name]), output=signing.rsa_pkcs1(RSA[name], b""))
        zero = next(d for d in (b"%d" % i for i in range(100000)) if signing.rsa_pkcs1(key, d)[0] == 0)
        f.add("rsa-pkcs1-leading-zero", "computed", "verify", **{**good, "data": zero}, signature=signing.rsa_pkcs1(key, zero), valid=True)
        f.add("rsa-pkcs1-leading-zero-dropped", "computed, as jwcrypto and PyBrowserID write it", "verify", **{**good, "data": zero}, signature=signing.rsa_pkcs1(key, zero)[1:], valid=True)
        info = signing.SHA256_INFO
        size = 256
        digest = signing.hashlib.sha256(data).digest()
        tail = b"\0" + info + digest
        ff = b"\xff" * (size - 2 - len(tail))
        blocks = {
            "padding-of-type-2": b"\0\2" + ff + tail,
            "padding-of-type-0": b"\0\0" + bytes(len(ff)) + tail,
            "padding-with-a-zero": b"\0\1" + ff[:-1] + b"\0" + tail,
            "first-octet-1": b"\1\1" + ff + tail,
            "short-padding-and-garbage": b"\0\1" + b"\xff" * 8 + tail + bytes(len(ff) - 8),
            "garbage-in-the-middle": b"\0\1" + ff[:-8] + b"\0" + b"garbage!" + tail[1:],
            "no-digest-info": b"\0\1" + b"\xff" * (size - 35) + b"\0" + digest,
            "digest-info-without-null": b"\0\1" + ff + b"\xff\xff\0" + h("302f300b0609608648016503040201") + h("0420") + digest,
            "digest-info-of-sha-512": b"\0\1" + ff + b"\0" + h("3031300d060960864801650304020305000420") + digest,
            "digest-cut": b"\0\1" + ff + b"\xff" + b"\0" + h("3030300d06096086480165030402010500041f") + digest[:-1],
        }
        for name, block in blocks.items():
            assert len(block) == size, (name, len(block))
            f.add(f"rsa-pkcs1-false-{name}", "computed: a block that is not that of RFC 8017, section 9.2", "verify", **good, signature=signing.rsa_raw(key, block), valid=False)
        for hash_name, prefix in ("sha1", "3021300906052b0e03021a05000414"), ("sha512", "3051300d060960864801650304020305000440"):
            f.add(f"rsa-pkcs1-false-{hash_name}", "computed", "verify", **good, signature=signing.rsa_pkcs1(key, data, h(prefix), hash_name), valid=False)
        f.add("rsa-pkcs1-false-pss", "computed", "verify", **good, signature=signing.rsa_pss(key, data, SALT), valid=False)
        f.add("rsa-pkcs1-false-e3-cube-root", "computed: Bleichenbacher's forgery of 2006", "verify", algorithm="RSA_PKCS1_SHA256", data=data, **rsa_public(RSA["2048-e3"]), signature=cube_root(b"\0\1" + b"\xff" * 8 + tail, size), valid=False)
        rsa_keys(f, "rsa-pkcs1", dict(algorithm="RSA_PKCS1_SHA256", data=data), key, signature)
    with File("rsa-pss", "RSASSA-PSS with SHA-256, MGF1-SHA-256 and a salt of 32 octets: moduli of odd lengths, other salts, keys.") as f:
        data = b"data"
        signature = signing.rsa_pss(key, data, SALT)
        check_rsa(key, PSS, data, signature)
        common_rsa(f, "rsa-pss", "RSA_PSS_SHA256", key, data, signature, "computed, RFC 8017, section 9.1", lambda k, d: signing.rsa_pss(k, d, SALT), PSS)
        good = dict(algorithm="RSA_PSS_SHA256", data=data, **rsa_public(key))
        for name, bits in ("rfc7515", 2048), ("2049", 2049), ("4096", 4096), ("2048-e3", 2048):
            f.add(f"rsa-pss-sign-{name}", LIMITS, "sign", algorithm="RSA_PSS_SHA256", data=data, **rsa_secret(RSA[name]), output_length=(bits + 7) // 8)
        zero = next(d for d in (b"%d" % i for i in range(100000)) if signing.rsa_pss(key, d, SALT)[0] == 0)
        f.add("rsa-pss-leading-zero", "computed", "verify", **{**good, "data": zero}, signature=signing.rsa_pss(key, zero, SALT), valid=True)
        f.add("rsa-pss-false-leading-zero-dropped", "computed: only RSA_PKCS1_SHA256 is that lenient", "verify", **{**good, "data": zero}, signature=signing.rsa_pss(key, zero, SALT)[1:], valid=False)
        for length in 0, 20, 31, 33, 64, 222:
            f.add(f"rsa-pss-false-salt-of-{length}", "computed", "verify", **good, signature=signing.rsa_pss(key, data, bytes(length)), valid=False)
        f.add("rsa-pss-false-mgf1-sha1", "computed", "verify", **good, signature=signing.rsa_pss(key, data, SALT, "sha1"), valid=False)
        f.add("rsa-pss-false-pkcs1", "computed", "verify", **good, signature=signing.rsa_pkcs1(key, data), valid=False)
        rsa_keys(f, "rsa-pss", dict(algorithm="RSA_PSS_SHA256", data=data), key, signature)


def cube_root(prefix, size):
    """The signature whose cube begins with prefix."""
    want = int.from_bytes(prefix + b"\xff" * (size - len(prefix)), "big")
    low, high = 0, 1 << 700
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle**3 <= want else (low, middle - 1)
    assert number(low**3, size).startswith(prefix)
    return number(low, size)


def common_rsa(f, prefix, algorithm, key, data, signature, source, sign, pad):
    good = dict(algorithm=algorithm, data=data, **rsa_public(key))
    f.add(f"{prefix}-verify", source, "verify", **good, signature=signature, valid=True)
    padded = {**good, "rsa_n": bytes(3) + good["rsa_n"], "rsa_e": bytes(9) + good["rsa_e"]}
    f.add(f"{prefix}-verify-numbers-with-zeros", source, "verify", **padded, signature=signature, valid=True)
    for name in "1024", "2047", "2049", "4096", "2048-e3":
        check_rsa(RSA[name], pad, data, sign(RSA[name], data))
        f.add(f"{prefix}-verify-{name}", "computed", "verify", **{**good, **rsa_public(RSA[name])}, signature=sign(RSA[name], data), valid=True)
    n = key["n"]
    value = int.from_bytes(signature, "big")
    false = {
        "other-data": {"data": data + b"\0"},
        "other-key": {"rsa_n": number(RSA["2048-e3"]["n"])},
        "other-exponent": {"rsa_e": b"\3"},
        "changed": {"signature": flip(signature, 100)},
        "last-bit": {"signature": flip(signature, 255)},
        "truncated": {"signature": signature[:-1]},
        "trailing-octet": {"signature": signature + b"\0"},
        "leading-zero": {"signature": b"\0" + signature},
        "empty": {"signature": b""},
        "zeros": {"signature": bytes(256)},
        "one": {"signature": number(1, 256)},
        "modulus": {"signature": number(n, 256)},
        "modulus-less-one": {"signature": number(n - 1, 256)},
        "ones": {"signature": b"\xff" * 256},
        "long": {"signature": bytes(768) + signature},
    }
    if value + n < 1 << 2048:
        false["plus-modulus"] = {"signature": number(value + n, 256)}
    for name, change in false.items():
        v = {**good, "signature": signature, **change}
        try:
            if name not in ("leading-zero", "long"):
                check_rsa({**key, "n": int.from_bytes(v["rsa_n"], "big"), "e": int.from_bytes(v["rsa_e"], "big")}, pad, v["data"], v["signature"])
                raise AssertionError(name)
        except (InvalidSignature, ValueError):
            pass
        f.add(f"{prefix}-false-{name}", source + ", changed", "verify", **v, valid=False)
    common(f, prefix, {**good, "signature": signature}, None)


def rsa_keys(f, prefix, good, key, signature):
    n, e = number(key["n"]), number(key["e"])
    public = dict(rsa_n=n, rsa_e=e)
    even = key["n"] - 1
    for name, change in {
        "of-1023-bits": {"rsa_n": number((1 << 1022) + 1)},
        "of-4097-bits": {"rsa_n": number((1 << 4096) + 1)},
        "even": {"rsa_n": number(even)},
        "without-n": {"rsa_n": None},
        "without-e": {"rsa_e": None},
        "e-1": {"rsa_e": b"\1"},
        "e-2": {"rsa_e": b"\2"},
        "e-even": {"rsa_e": b"\1\0\2"},
        "e-2-31-plus-1": {"rsa_e": b"\x80\0\0\1"},
        "e-huge": {"rsa_e": n},
        "n-of-1025-octets": {"rsa_n": bytes(1025 - len(n)) + n},
        "e-of-1025-octets": {"rsa_e": bytes(1022) + e},
        "empty": {"rsa_n": b"", "rsa_e": b""},
        "with-d": {"rsa_d": number(key["d"])},
        "with-p-and-q": {"rsa_p": number(key["p"]), "rsa_q": number(key["q"])},
    }.items():
        f.add(f"{prefix}-verify-key-{name}", LIMITS, "verify", **good, signature=signature, **{**public, **change}, error="BAD_KEY")
    f.add(f"{prefix}-verify-raw-key", LIMITS, "verify", **good, signature=signature, key=n, error="BAD_KEY")
    f.add(f"{prefix}-verify-greatest-e", LIMITS, "verify", **good, signature=signature, rsa_n=n, rsa_e=b"\x7f\xff\xff\xff", valid=False)
    private, small = rsa_secret(key), rsa_secret(RSA["1024"])
    order = math.lcm(key["p"] - 1, key["q"] - 1)
    close = close_primes(key)
    for name, change in {
        "of-1024-bits": small,
        "of-2047-bits": rsa_secret(RSA["2047"]),
        "without-d": {"rsa_d": None},
        "without-p": {"rsa_p": None},
        "without-q": {"rsa_q": None},
        "other-n": {"rsa_n": number(RSA["2048-e3"]["n"])},
        "other-d": {"rsa_d": number(key["d"] + 2)},
        "other-e": {"rsa_e": b"\1\0\3"},
        "p-1": {"rsa_p": b"\1", "rsa_q": n},
        "p-0": {"rsa_p": b"\0"},
        "p-twice": {"rsa_q": number(key["p"])},
        "d-0": {"rsa_d": b"\0"},
        "d-not-less-than-n": {"rsa_d": number(key["d"] + order * (key["n"] // order + 1))},
        "product-is-3n": {"rsa_p": number(3 * key["p"])},
        "primes-too-close": rsa_secret(close),
        "p-of-1025-octets": {"rsa_p": bytes(897) + number(key["p"])},
    }.items():
        f.add(f"{prefix}-sign-key-{name}", LIMITS, "sign", **good, **{**private, **change}, error="BAD_KEY")
    f.add(f"{prefix}-sign-raw-key", LIMITS, "sign", **good, key=n, error="BAD_KEY")
    f.add(f"{prefix}-sign-primes-swapped", LIMITS, "sign", **good, **{**private, "rsa_p": private["rsa_q"], "rsa_q": private["rsa_p"]}, output_length=256)


def close_primes(key):
    """A key of 2048 bits whose primes are neighbours, so that anybody can find them."""
    p = q = key["p"]
    while q == p or pow(2, q - 1, q) != 1 or math.gcd(key["e"], q - 1) != 1:
        q += 2
    return {"n": p * q, "e": key["e"], "d": pow(key["e"], -1, math.lcm(p - 1, q - 1)), "p": p, "q": q}


def write():
    write_ed25519()
    write_ecdsa()
    write_rsa()
