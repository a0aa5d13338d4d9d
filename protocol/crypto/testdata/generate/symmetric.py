# SPDX-License-Identifier: Apache-2.0
"""HKDF, HMAC, digests, AES-256-GCM, scrypt."""

import hashlib
import hmac

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from vector import File

HASHES = {"SHA1": "sha1", "SHA256": "sha256", "SHA512": "sha512"}
MAX_DATA = 16 << 20
MAX_TEXT = 65536
MAX_KEY = 4096


def seq(first, last):
    return bytes(range(first, last + 1))


def h(text):
    return bytes.fromhex(text)


def hkdf(name, ikm, salt, info, length):
    """RFC 5869."""
    prk = hmac.digest(salt or bytes(hashlib.new(name).digest_size), ikm, name)
    okm, block, i = b"", b"", 1
    while len(okm) < length:
        block = hmac.digest(prk, block + info + bytes([i]), name)
        okm, i = okm + block, i + 1
    return okm[:length]


RFC5869 = [
    ("SHA256", b"\x0b" * 22, seq(0, 12), seq(0xF0, 0xF9), 42, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"),
    ("SHA256", seq(0, 0x4F), seq(0x60, 0xAF), seq(0xB0, 0xFF), 82, "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"),
    ("SHA256", b"\x0b" * 22, b"", b"", 42, "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"),
    ("SHA1", b"\x0b" * 11, seq(0, 12), seq(0xF0, 0xF9), 42, "085a01ea1b10f36933068b56efa5ad81a4f14b822f5b091568a9cdd4f155fda2c22e422478d305f3f896"),
    ("SHA1", seq(0, 0x4F), seq(0x60, 0xAF), seq(0xB0, 0xFF), 82, "0bd770a74d1160f7c9f12cd5912a06ebff6adcae899d92191fe4305673ba2ffe8fa3f1a4e5ad79f3f334b3b202b2173c486ea37ce3d397ed034c7f9dfeb15c5e927336d0441f4c4300e2cff0d0900b52d3b4"),
    ("SHA1", b"\x0b" * 22, b"", b"", 42, "0ac1af7002b3d761d1e55298da9d0506b9ae52057220a306e07b6b87e8df21d0ea00033de03984d34918"),
    ("SHA1", b"\x0c" * 22, None, b"", 42, "2c91117204d745f3500d636a62f64f0ab3bae548aa53d423b0d1f27ebba6f5e5673a081d70cce7acfc48"),
]


def write_hkdf():
    with File("hkdf", "HKDF: RFC 5869, the longest outputs, and lengths that are not allowed.") as f:
        for i, (name, ikm, salt, info, length, okm) in enumerate(RFC5869, 1):
            assert hkdf(HASHES[name], ikm, salt, info, length).hex() == okm
            f.add(f"hkdf-rfc5869-{i}", f"RFC 5869, appendix A.{i}", "hkdf", hash=name, key=ikm, salt=salt, info=info, length=length, output=h(okm))
        good = dict(hash="SHA256", key=b"\x0b" * 22, salt=b"salt", info=b"info", length=32)
        for name, digest in HASHES.items():
            most = 255 * hashlib.new(digest).digest_size
            salt, info = b"salt", b"x" * 100
            for length in 1, most:
                f.add(f"hkdf-{digest}-{length}", "computed", "hkdf", hash=name, key=b"k", salt=salt, info=info, length=length, output=hkdf(digest, b"k", salt, info, length))
            f.add(f"hkdf-{digest}-too-long", "RFC 5869, section 2.3", "hkdf", **{**good, "hash": name, "length": most + 1}, error="BAD_LENGTH")
        token = dict(key=b"secret0", info=b"services.mozilla.com/tokenlib/v1/signing")
        f.add("hkdf-tokenlib-signing-key", "tokenlib 2.0", "hkdf", hash="SHA256", **token, length=32, output=h("d97f4804f510ebf3161e7c140bde92f3e988b59f5d90dd38e7bf5382ddddaf91"))
        assert hkdf("sha256", token["key"], b"", token["info"], 32).hex().startswith("d97f4804")
        for field, octets in ("salt", MAX_TEXT), ("info", MAX_TEXT), ("key", MAX_KEY):
            allowed = {**good, field: bytes(octets)}
            okm = hkdf("sha256", allowed["key"], allowed["salt"], allowed["info"], 32)
            f.add(f"hkdf-{field}-of-{octets}", "computed", "hkdf", **allowed, output=okm)
            f.add(f"hkdf-{field}-too-long", "the limits of the service", "hkdf", **{**good, field: bytes(octets + 1)}, error="BAD_KEY" if field == "key" else "BAD_LENGTH")
        for name, change, error in [
            ("no-length", {"length": None}, "BAD_LENGTH"),
            ("huge-length", {"length": 2**32 - 1}, "BAD_LENGTH"),
            ("empty-key", {"key": b""}, "BAD_KEY"),
            ("no-key", {"key": None}, "BAD_REQUEST"),
            ("no-hash", {"hash": None}, "UNKNOWN_ALGORITHM"),
            ("unknown-hash", {"hash": 4}, "UNKNOWN_ALGORITHM"),
            ("hash-before-length", {"hash": 99, "length": 0}, "UNKNOWN_ALGORITHM"),
            ("length-before-key", {"key": None, "length": 0}, "BAD_LENGTH"),
        ]:
            f.add(f"hkdf-{name}", "the limits of the service", "hkdf", **{**good, **change}, error=error)


RFC4231 = [
    (b"\x0b" * 20, b"Hi There"),
    (b"Jefe", b"what do ya want for nothing?"),
    (b"\xaa" * 20, b"\xdd" * 50),
    (seq(1, 0x19), b"\xcd" * 50),
    (b"\x0c" * 20, b"Test With Truncation"),
    (b"\xaa" * 131, b"Test Using Larger Than Block-Size Key - Hash Key First"),
    (b"\xaa" * 131, b"This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before being used by the HMAC algorithm."),
]
HMAC_SHA256 = """b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7
5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843
773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe
82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b
a3b6167473100ee06e0c796c2955552bfa6f7c0a6a8aef8b93f860aab0cd20c5
60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54
9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2""".split()
HMAC_SHA512 = """87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854
164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737
fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39bf3e848279a722c806b485a47e67c807b946a337bee8942674278859e13292fb
b0ba465637458c6990e5a8c5f61d4af7e576d97ff94b872de76f8050361ee3dba91ca5c11aa25eb4d679275cc5788063a5f19741120c4f2de2adebeb10a298dd
-
80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598
e37b6a775dc87dbaa4dfa9f96e5e3ffddebd71f8867289865df5a32d20cdc944b6022cac3c4982b10d5eeb55c3e4de15134676fb6de0446065c97440fa8c6a58""".split()
RFC2202 = [*RFC4231[:5], (b"\xaa" * 80, RFC4231[5][1]), (b"\xaa" * 80, b"Test Using Larger Than Block-Size Key and Larger Than One Block-Size Data")]
HMAC_SHA1 = """b617318655057264e28bc0b6fb378c8ef146be00
effcdf6ae5eb2fa2d27416d5f184df9c259a7c79
125d7342b9ac11cd91a39af48aa17b4f63f175d3
4c9007f4026250c6bc8414f9bf50c86c2d7235da
4c1a03424b55e07fe7f27be1d58bb9324a9a5a04
aa4ae5e15272d00e95705637ce8a3b55ed402112
e8e99d0f45237d786d6bbaa7965c7808bbff1a91""".split()


def write_hmac():
    with File("hmac", "HMAC: RFC 2202 and RFC 4231, and keys of the least and the greatest length.") as f:
        for rfc, name, cases, macs in ("RFC 2202, section 3", "SHA1", RFC2202, HMAC_SHA1), ("RFC 4231, section 4", "SHA256", RFC4231, HMAC_SHA256), ("RFC 4231, section 4", "SHA512", RFC4231, HMAC_SHA512):
            for i, ((key, data), mac) in enumerate(zip(cases, macs, strict=True), 1):
                if mac == "-":  # the RFC has it truncated only
                    continue
                assert hmac.new(key, data, HASHES[name]).hexdigest() == mac
                f.add(f"hmac-{HASHES[name]}-{i}", f"{rfc}, test case {i}", "hmac", hash=name, key=key, data=data, output=h(mac))
        for name, digest in HASHES.items():
            for key, data in (b"\x00", b""), (bytes(MAX_KEY), b"\xff" * 1000):
                f.add(f"hmac-{digest}-key-of-{len(key)}", "computed", "hmac", hash=name, key=key, data=data, output=hmac.digest(key, data, digest))
        good = dict(hash="SHA256", key=b"Jefe", data=b"x")
        longest = bytes(MAX_DATA)
        f.add("hmac-longest-data", "computed", "hmac", **{**good, "data": longest}, output=hmac.digest(b"Jefe", longest, "sha256"))
        for name, change, error in [
            ("data-too-long", {"data": bytes(MAX_DATA + 1)}, "BAD_LENGTH"),
            ("empty-key", {"key": b""}, "BAD_KEY"),
            ("key-too-long", {"key": bytes(MAX_KEY + 1)}, "BAD_KEY"),
            ("no-key", {"key": None}, "BAD_REQUEST"),
            ("key-without-source", {"key": None, "key_empty": "yes"}, "BAD_REQUEST"),
            ("no-hash", {"hash": None}, "UNKNOWN_ALGORITHM"),
            ("unknown-hash", {"hash": 77}, "UNKNOWN_ALGORITHM"),
        ]:
            f.add(f"hmac-{name}", "the limits of the service", "hmac", **{**good, **change}, error=error)


def write_digest():
    long = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"
    published = {
        "SHA1": ["da39a3ee5e6b4b0d3255bfef95601890afd80709", "a9993e364706816aba3e25717850c26c9cd0d89d", "84983e441c3bd26ebaae4aa1f95129e5e54670f1", "34aa973cd4c4daa4f61eeb2bdbad27316534016f"],
        "SHA256": ["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1", "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"],
        "SHA512": ["cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e", "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f", "204a8fc6dda82f0a0ced7beb8e08a41657c16ef468b228a8279be331a703c33596fd15c13b1b07f9aa1d3bea57789ca031ad85c7a71dd70354ec631238ca3445", "e718483d0ce769644e2e42c7bc15b4638e1f98b13b2044285632a803afa973ebde0ff244877ea60a4cb0432ce577c31beb009c5c2c49aa2e4eadb217ad8cc09b"],
    }
    with File("digest", "Digests: the examples of FIPS 180-2 and its predecessors, and of NIST for the empty message.") as f:
        for name, digests in published.items():
            for what, data, digest in zip(["empty", "abc", "two-blocks", "million-a"], [b"", b"abc", long, b"a" * 1000000], digests, strict=True):
                assert hashlib.new(HASHES[name], data).hexdigest() == digest
                f.add(f"digest-{HASHES[name]}-{what}", "FIPS 180-2, appendices A to C, and NIST's SHA examples", "digest", hash=name, data=data, output=h(digest))
        f.add("digest-longest-data", "computed", "digest", hash="SHA512", data=bytes(MAX_DATA), output=hashlib.sha512(bytes(MAX_DATA)).digest())
        f.add("digest-data-too-long", "the limits of the service", "digest", hash="SHA512", data=bytes(MAX_DATA + 1), error="BAD_LENGTH")
        f.add("digest-no-hash", "the limits of the service", "digest", data=b"abc", error="UNKNOWN_ALGORITHM")
        f.add("digest-unknown-hash", "the limits of the service", "digest", hash=12345, data=b"abc", error="UNKNOWN_ALGORITHM")
        f.add("digest-negative-hash", "the limits of the service", "digest", hash=-1, data=b"abc", error="UNKNOWN_ALGORITHM")


KEY = h("feffe9928665731c6d6a8f9467308308" * 2)
NONCE = h("cafebabefacedbaddecaf888")
PLAIN = h("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255")
AAD = h("feedfacedeadbeeffeedfacedeadbeefabaddad2")
MCGREW = "McGrew and Viega, The Galois/Counter Mode of Operation, appendix B, test case"
CAVP = "NIST CAVP, gcmEncryptExtIV256.rsp"
GCM = [  # name, source, key, nonce, plaintext, aad, ciphertext and tag
    ("mcgrew-13", f"{MCGREW} 13", bytes(32), bytes(12), b"", b"", "530f8afbc74536b9a963b4f1c4cb738b"),
    ("mcgrew-14", f"{MCGREW} 14", bytes(32), bytes(12), bytes(16), b"", "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"),
    ("mcgrew-15", f"{MCGREW} 15", KEY, NONCE, PLAIN, b"", "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015adb094dac5d93471bdec1a502270e3cc6c"),
    ("mcgrew-16", f"{MCGREW} 16", KEY, NONCE, PLAIN[:60], AAD, "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b"),
    ("nist-empty", f"{CAVP}, PTlen 0, AADlen 0, count 0", h("b52c505a37d78eda5dd34f20c22540ea1b58963cf8e5bf8ffa85f9f2492505b4"), h("516c33929df5a3284ff463d7"), b"", b"", "bdc1ac884d332457a1d2664f168c76f0"),
    ("nist-16", f"{CAVP}, PTlen 128, AADlen 0, count 0", h("31bdadd96698c204aa9ce1448ea94ae1fb4a9a0b3c9d773b51bb1822666b8f22"), h("0d18e06c7c725ac9e362e1ce"), h("2db5168e932556f8089a0622981d017d"), b"", "fa4362189661d163fcd6a56d8bf0405ad636ac1bbedd5cc3ee727dc2ab4a9489"),
    ("nist-16-16", f"{CAVP}, PTlen 128, AADlen 128, count 0", h("92e11dcdaa866f5ce790fd24501f92509aacf4cb8b1339d50c9c1240935dd08b"), h("ac93a1a6145299bde902f21a"), h("2d71bcfa914e4ac045b2aa60955fad24"), h("1e0889016f67601c8ebea4943bc23ad6"), "8995ae2e6df3dbf96fac7b7137bae67feca5aa77d51d4a0a14d9c51e1da474ab"),
    ("sealed-token", "the sealed form of a token, see examples", h("1b1ca32d7b64de2a929f17531e2dd72244c828c582c40d941359931938673b69"), seq(0, 11), b'{"uid":42,"node":"https://n1.example.org","expires":2000000000,"salt":"0a1b2c"}', b"powerhose-go/token/v1", None),
]


def flip(octets, at):
    changed = bytearray(octets)
    changed[at] ^= 1
    return bytes(changed)


def write_gcm():
    with File("aes-gcm", "AES-256-GCM: published examples, forged and cut ciphertexts, lengths.") as f:
        for name, source, key, nonce, plain, aad, sealed in GCM:
            sealed = h(sealed) if sealed else AESGCM(key).encrypt(nonce, plain, aad)
            assert AESGCM(key).encrypt(nonce, plain, aad) == sealed
            inputs = dict(key=key, nonce=nonce, aad=aad)
            f.add(f"gcm-encrypt-{name}", source, "encrypt", **inputs, plaintext=plain, output=sealed)
            f.add(f"gcm-decrypt-{name}", source, "decrypt", **inputs, ciphertext=sealed, output=plain)
        sealed = h(GCM[3][6])
        good = dict(key=KEY, nonce=NONCE, aad=AAD, ciphertext=sealed)
        for name, change in [
            ("first-octet", {"ciphertext": flip(sealed, 0)}),
            ("last-octet-of-the-text", {"ciphertext": flip(sealed, -17)}),
            ("first-octet-of-the-tag", {"ciphertext": flip(sealed, -16)}),
            ("last-octet-of-the-tag", {"ciphertext": flip(sealed, -1)}),
            ("zero-tag", {"ciphertext": sealed[:-16] + bytes(16)}),
            ("tag-in-front", {"ciphertext": sealed[-16:] + sealed[:-16]}),
            ("truncated", {"ciphertext": sealed[:-1]}),
            ("first-octet-missing", {"ciphertext": sealed[1:]}),
            ("only-the-tag", {"ciphertext": sealed[-16:]}),
            ("trailing-octet", {"ciphertext": sealed + b"\0"}),
            ("other-aad", {"aad": flip(AAD, 3)}),
            ("aad-missing", {"aad": b""}),
            ("aad-longer", {"aad": AAD + b"\0"}),
            ("other-nonce", {"nonce": flip(NONCE, 11)}),
            ("other-key", {"key": flip(KEY, 31)}),
        ]:
            f.add(f"gcm-forged-{name}", f"{MCGREW} 16, changed", "decrypt", **{**good, **change}, error="DECRYPTION_FAILED")
        limits = "the limits of the service"
        for name, change, error in [
            ("shorter-than-a-tag", {"ciphertext": sealed[-15:]}, "BAD_LENGTH"),
            ("empty", {"ciphertext": b""}, "BAD_LENGTH"),
            ("too-long", {"ciphertext": bytes(MAX_DATA + 17)}, "BAD_LENGTH"),
            ("short-nonce", {"nonce": NONCE[1:]}, "BAD_LENGTH"),
            ("long-nonce", {"nonce": NONCE + b"\0"}, "BAD_LENGTH"),
            ("no-nonce", {"nonce": None}, "BAD_LENGTH"),
            ("aad-too-long", {"aad": bytes(MAX_TEXT + 1)}, "BAD_LENGTH"),
            ("short-key", {"key": KEY[:31]}, "BAD_KEY"),
            ("key-of-aes-128", {"key": KEY[:16]}, "BAD_KEY"),
            ("long-key", {"key": KEY + b"\0"}, "BAD_KEY"),
            ("no-key", {"key": None}, "BAD_REQUEST"),
        ]:
            f.add(f"gcm-decrypt-{name}", limits, "decrypt", **{**good, **change}, error=error)
        good = dict(key=KEY, plaintext=PLAIN, aad=AAD)
        f.add("gcm-encrypt-random-nonce", limits, "encrypt", **good, output_length=len(PLAIN) + 16)
        f.add("gcm-encrypt-nothing", limits, "encrypt", key=KEY, output_length=16)
        for name, change, error in [
            ("short-nonce", {"nonce": NONCE[1:]}, "BAD_LENGTH"),
            ("long-nonce", {"nonce": NONCE + b"\0"}, "BAD_LENGTH"),
            ("too-long", {"plaintext": bytes(MAX_DATA + 1)}, "BAD_LENGTH"),
            ("aad-too-long", {"aad": bytes(MAX_TEXT + 1)}, "BAD_LENGTH"),
            ("short-key", {"key": KEY[:31]}, "BAD_KEY"),
            ("empty-key", {"key": b""}, "BAD_KEY"),
            ("no-key", {"key": None}, "BAD_REQUEST"),
        ]:
            f.add(f"gcm-encrypt-{name}", limits, "encrypt", **{**good, **change}, error=error)
        aad = bytes(MAX_TEXT)
        f.add("gcm-decrypt-longest-aad", "computed", "decrypt", key=KEY, nonce=NONCE, aad=aad, ciphertext=AESGCM(KEY).encrypt(NONCE, b"", aad), output=b"")
        f.add("gcm-encrypt-longest", limits, "encrypt", key=KEY, plaintext=bytes(MAX_DATA), output_length=MAX_DATA + 16)
        f.add("gcm-decrypt-longest", limits, "decrypt", key=KEY, nonce=NONCE, ciphertext=bytes(MAX_DATA + 16), error="DECRYPTION_FAILED")


RFC7914 = [
    (b"", b"", 16, 1, 1, "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906"),
    (b"password", b"NaCl", 1024, 8, 16, "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640"),
    (b"pleaseletmein", b"SodiumChloride", 16384, 8, 1, "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"),
]


def scrypt(password, salt, n, r, p, length):
    return hashlib.scrypt(password, salt=salt, n=n, r=r, p=p, dklen=length, maxmem=1 << 30)


def write_scrypt():
    with File("scrypt", "scrypt: RFC 7914, and what costs too much.") as f:
        for i, (password, salt, n, r, p, output) in enumerate(RFC7914, 1):
            assert scrypt(password, salt, n, r, p, 64).hex() == output
            f.add(f"scrypt-rfc7914-{i}", "RFC 7914, section 12", "scrypt", password=password, salt=salt, n=n, r=r, p=p, length=64, output=h(output))
        f.add("scrypt-rfc7914-4", "RFC 7914, section 12: it takes 1 GiB, more than the service allows", "scrypt", password=b"pleaseletmein", salt=b"SodiumChloride", n=1048576, r=8, p=1, length=64, error="BAD_REQUEST")
        good = dict(password=b"secret", salt=b"salt", n=16, r=2, p=2, length=32)
        for name, change in [("least", dict(n=2, r=1, p=1, length=1)), ("longest", dict(length=1024)), ("widest", dict(n=2, r=64, p=64)), ("longest-inputs", dict(password=b"p" * 4096, salt=bytes(65536))), ("zeros-in-password", dict(password=b"\0secret\0"))]:
            v = {**good, **change}
            f.add(f"scrypt-{name}", "computed", "scrypt", **v, output=scrypt(*v.values()))
        for name, change, error in [
            ("n-1", {"n": 1}, "BAD_REQUEST"),
            ("n-0", {"n": None}, "BAD_REQUEST"),
            ("n-17", {"n": 17}, "BAD_REQUEST"),
            ("n-2-21", {"n": 1 << 21, "r": 1, "p": 1}, "BAD_REQUEST"),
            ("n-2-31", {"n": 1 << 31, "r": 1, "p": 1}, "BAD_REQUEST"),
            ("r-0", {"r": None}, "BAD_REQUEST"),
            ("r-65", {"r": 65}, "BAD_REQUEST"),
            ("p-0", {"p": None}, "BAD_REQUEST"),
            ("p-65", {"p": 65}, "BAD_REQUEST"),
            ("everything-huge", {"n": 1 << 31, "r": 2**32 - 1, "p": 2**32 - 1}, "BAD_REQUEST"),
            ("too-much-memory", {"n": 1 << 18, "r": 5, "p": 1}, "BAD_REQUEST"),
            ("too-much-work", {"n": 1 << 17, "r": 8, "p": 5}, "BAD_REQUEST"),
            ("length-0", {"length": None}, "BAD_LENGTH"),
            ("length-1025", {"length": 1025}, "BAD_LENGTH"),
            ("password-too-long", {"password": bytes(4097)}, "BAD_LENGTH"),
            ("salt-too-long", {"salt": bytes(65537)}, "BAD_LENGTH"),
            ("length-before-parameters", {"length": 0, "n": 3}, "BAD_LENGTH"),
        ]:
            f.add(f"scrypt-{name}", "the limits of the service", "scrypt", **{**good, **change}, error=error)


def write():
    write_hkdf()
    write_hmac()
    write_digest()
    write_gcm()
    write_scrypt()
