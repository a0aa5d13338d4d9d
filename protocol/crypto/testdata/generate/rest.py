# SPDX-License-Identifier: Apache-2.0
"""Random octets, named keys, and requests that are none."""

import asymmetric
import dsa
import keys
import signing
import symmetric
from symmetric import h
from vector import File, number

LIMITS = "the limits of the service"


def write_random():
    with File("random", "Random octets: only their number can be foreseen.") as f:
        for length in 1, 32, 65536:
            f.add(f"random-{length}", LIMITS, "random", length=length, output_length=length)
        for length in None, 65537, 2**32 - 1:
            f.add(f"random-{length}", LIMITS, "random", length=length, error="BAD_LENGTH")


def write_named():
    ikm, key, nonce, plain, aad = b"\x0b" * 22, symmetric.KEY, symmetric.NONCE, symmetric.PLAIN[:60], symmetric.AAD
    with File("named", "Keys by name, from the directory keys.") as f:
        f.add("named-hkdf", "RFC 5869, appendix A.1", "hkdf", hash="SHA256", key_name="ikm", salt=symmetric.seq(0, 12), info=symmetric.seq(0xF0, 0xF9), length=42, output=h(symmetric.RFC5869[0][5]))
        f.add("named-hmac", "RFC 4231, section 4, test case 1", "hmac", hash="SHA256", key_name="mac", data=b"Hi There", output=h(symmetric.HMAC_SHA256[0]))
        f.add("named-encrypt", LIMITS, "encrypt", key_name="box", plaintext=plain, aad=aad, output_length=76)
        f.add("named-decrypt", f"{symmetric.MCGREW} 16", "decrypt", key_name="box", nonce=nonce, aad=aad, ciphertext=h(symmetric.GCM[3][6]), output=plain)
        f.add("named-encrypt-nonce", LIMITS, "encrypt", key_name="box", nonce=nonce, plaintext=plain, error="BAD_REQUEST")
        f.add("named-encrypt-nonce-before-name", LIMITS, "encrypt", key_name="nobody", nonce=nonce, plaintext=plain, error="BAD_REQUEST")
        f.add("named-encrypt-length-before-nonce", LIMITS, "encrypt", key_name="box", nonce=b"1", plaintext=plain, error="BAD_LENGTH")
        data = b"sample"
        ed, ec = h(asymmetric.RFC8032[1][3]), signing.ecdsa(keys.P256_D, data)
        for name, alg, message, signature, source in [
            ("ed", "ED25519", b"\x72", ed, "RFC 8032, section 7.1, test 2"),
            ("ed-public", "ED25519", b"", h(asymmetric.RFC8032[0][3]), "RFC 8032, section 7.1, test 1"),
            ("ec", "ECDSA_P256_SHA256", data, ec, "RFC 6979, appendix A.2.5"),
            ("ec-public", "ECDSA_P256_SHA256", data, ec, "RFC 6979, appendix A.2.5"),
            ("rs", "RSA_PKCS1_SHA256", data, signing.rsa_pkcs1(keys.RSA["rfc7515"], data), "computed"),
            ("rs-public", "RSA_PKCS1_SHA256", data, signing.rsa_pkcs1(keys.RSA["1024"], data), "computed"),
            ("ps", "RSA_PSS_SHA256", data, signing.rsa_pss(keys.RSA["2049"], data, asymmetric.SALT), "computed"),
            ("ps-public", "RSA_PSS_SHA256", data, signing.rsa_pss(keys.RSA["2047"], data, asymmetric.SALT), "computed"),
            ("example.com", "DS128", data, signing.dsa("sha1", keys.GROUPS["DS128"], keys.dsa_x("DS128", "example.com"), data), "computed"),
            ("ds256.example.com", "DS256", data, signing.dsa("sha256", keys.GROUPS["DS256"], keys.dsa_x("DS256", "example.com"), data), "computed"),
            ("mockmyid.com", "DS128", data, signing.dsa("sha1", keys.GROUPS["DS128"], keys.MOCKMYID_X, data), "computed"),
        ]:
            good = dict(algorithm=alg, key_name=name, data=message)
            f.add(f"named-verify-{name}", source, "verify", **good, signature=signature, valid=True)
            f.add(f"named-verify-{name}-false", source + ", changed", "verify", **{**good, "data": message + b"!"}, signature=signature, valid=False)
            if "public" in name or name == "mockmyid.com":
                f.add(f"named-sign-{name}", LIMITS + ": a public key does not sign", "sign", **good, error="BAD_KEY")
            elif alg in ("ED25519", "RSA_PKCS1_SHA256"):
                f.add(f"named-sign-{name}", source, "sign", **good, output=signature)
            else:
                f.add(f"named-sign-{name}", LIMITS, "sign", **good, output_length=len(signature))
        for name, operation, fields in [
            ("hkdf-with-hmac", "hkdf", dict(hash="SHA256", key_name="mac", length=32)),
            ("hkdf-with-aes", "hkdf", dict(hash="SHA256", key_name="box", length=32)),
            ("hmac-with-hkdf", "hmac", dict(hash="SHA256", key_name="ikm", data=b"x")),
            ("hmac-with-ed25519", "hmac", dict(hash="SHA256", key_name="ed", data=b"x")),
            ("encrypt-with-hmac", "encrypt", dict(key_name="mac", plaintext=b"x")),
            ("decrypt-with-hkdf", "decrypt", dict(key_name="ikm", nonce=bytes(12), ciphertext=bytes(16))),
            ("sign-ed25519-with-p256", "sign", dict(algorithm="ED25519", key_name="ec", data=b"x")),
            ("sign-p256-with-ed25519", "sign", dict(algorithm="ECDSA_P256_SHA256", key_name="ed", data=b"x")),
            ("sign-pss-with-pkcs1", "sign", dict(algorithm="RSA_PSS_SHA256", key_name="rs", data=b"x")),
            ("sign-pkcs1-with-pss", "sign", dict(algorithm="RSA_PKCS1_SHA256", key_name="ps", data=b"x")),
            ("sign-ds256-with-ds128", "sign", dict(algorithm="DS256", key_name="example.com", data=b"x")),
            ("sign-ds128-with-ds256", "sign", dict(algorithm="DS128", key_name="ds256.example.com", data=b"x")),
            ("verify-pss-with-pkcs1", "verify", dict(algorithm="RSA_PSS_SHA256", key_name="rs", data=b"x", signature=b"")),
            ("verify-ds256-with-ds128", "verify", dict(algorithm="DS256", key_name="example.com", data=b"x", signature=b"")),
            ("verify-ed25519-with-hmac", "verify", dict(algorithm="ED25519", key_name="mac", data=b"x", signature=b"")),
        ]:
            f.add(f"named-{name}", LIMITS + ": a key is good for one thing", operation, **fields, error="BAD_KEY")
        for name in "nobody", "ikm.hkdf", "IKM", "ikm ", "../keys/ikm", "ed-private", "x" * 65, "x" * 5000, "ä":
            what = {"x" * 65: "65-letters", "x" * 5000: "5000-letters", "ikm ": "blank", "ä": "umlaut"}.get(name, name)
            if name != "ikm ":  # the form of this file has no blank at the end
                f.add(f"named-unknown-{what}", LIMITS, "hkdf", hash="SHA256", key_name=name, length=32, error="UNKNOWN_KEY")
        f.add("named-unknown-empty", LIMITS, "hkdf", hash="SHA256", key_name="", length=32, error="UNKNOWN_KEY")
        f.add("named-unknown-to-sign", LIMITS, "sign", algorithm="DS128", key_name="nobody", data=b"x", error="UNKNOWN_KEY")
        f.add("named-unknown-to-verify", LIMITS, "verify", algorithm="RSA_PSS_SHA256", key_name="nobody", data=b"x", signature=b"", error="UNKNOWN_KEY")
        f.add("named-unknown-to-decrypt", LIMITS, "decrypt", key_name="nobody", nonce=bytes(12), ciphertext=bytes(16), error="UNKNOWN_KEY")


def field(number_, content):
    """A field of protobuf that has a length."""
    return varint(number_ << 3 | 2) + varint(len(content)) + content


def varint(value):
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def write_raw():
    digest = field(1 << 1 | 1, b"\x08\x02\x12\x03abc")  # Request.digest of "abc"
    abc = h("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    bad = {
        "empty": b"",
        "text": b"hello, world",
        "tag-cut": b"\x80",
        "length-cut": b"\x1a\x80",
        "length-past-the-end": digest[:-1],
        "length-of-an-inner-field-past-the-end": b"\x1a\x04\x12\x03ab",
        "length-of-2-63": b"\x1a" + b"\xff" * 8 + b"\x7f",
        "varint-of-11-octets": b"\x08" + b"\xff" * 10 + b"\x01",
        "field-0": b"\x00\x00",
        "field-0-with-length": b"\x02\x00",
        "group-without-end": b"\x1b",
        "end-of-no-group": b"\x1c",
        "wire-type-6": b"\x1e",
        "wire-type-7": b"\x1f",
        "name-not-utf-8": field(1, b"\x08\x02\x12\x03\x0a\x01\xff\x28\x20"),
        "only-unknown-fields": b"\xa0\x06\x01" + field(101, b"x"),
        "operation-of-another-version": field(15, b"\x08\x01"),
        "operation-of-another-wire-type": b"\x18\x01",
        "response": field(2, b"abc"),
    }
    # Field 2 of a Response is octets, of a Request an Hmac; "abc" is none.
    with File("raw", "Requests that are none, or unusual.") as f:
        for name, request in bad.items():
            f.add(f"raw-{name}", "protobuf's encoding", "raw", request=request, error="BAD_REQUEST")
        for name, request, fields in [
            ("digest", digest, dict(output=abc)),
            ("unknown-field-is-ignored", b"\xa0\x06\x01" + digest + field(101, b"x"), dict(output=abc)),
            ("inner-unknown-field-is-ignored", field(3, b"\x08\x02\x12\x03abc" + field(99, b"x")), dict(output=abc)),
            ("group-is-ignored", b"\xa3\x06\xa4\x06" + digest, dict(output=abc)),
            ("last-operation-wins", field(8, b"\x08\x05") + digest, dict(output=abc)),
            ("parts-of-an-operation-are-merged", field(3, b"\x08\x02") + field(3, b"\x12\x03abc"), dict(output=abc)),
            ("last-value-wins", field(3, b"\x08\x01\x08\x02\x12\x01x\x12\x03abc"), dict(output=abc)),
            ("long-varint", field(3, b"\x08\x82\x80\x80\x00\x12\x03abc"), dict(output=abc)),
            ("empty-operation", b"\x1a\x00", dict(error="UNKNOWN_ALGORITHM")),
            ("empty-random", b"\x42\x00", dict(error="BAD_LENGTH")),
            ("empty-encrypt", b"\x32\x00", dict(error="BAD_REQUEST")),
            ("too-long", bytes((17 << 20) + 1), dict(error="BAD_LENGTH")),
            ("longest", bytes(17 << 20), dict(error="BAD_REQUEST")),
            ("longest-with-operation", digest + varint(100 << 3 | 2) + varint((17 << 20) - len(digest) - 6) + bytes((17 << 20) - len(digest) - 6), dict(output=abc)),
        ]:
            f.add(f"raw-{name}", "protobuf's encoding, and the limits of the service", "raw", request=request, **fields)


def write():
    write_random()
    write_named()
    write_raw()
