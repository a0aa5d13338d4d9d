# SPDX-License-Identifier: Apache-2.0
"""Writes those vectors of C2SP/wycheproof (Apache-2.0) that fit this service.

    git clone https://github.com/C2SP/wycheproof
    python3 -B protocol/crypto/testdata/generate/wycheproof.py wycheproof

Of tests that are alike (the same flags and result) only the first few are taken.
"""

import json
import pathlib
import sys

from vector import File


def tests(folder, name, alike_at_most=8, fits=lambda group: True):
    taken = {}
    for group in json.loads((folder / "testvectors_v1" / f"{name}.json").read_text())["testGroups"]:
        for test in group["tests"] if fits(group) else []:
            alike = (*sorted(test["flags"]), test["result"])
            taken[alike] = taken.get(alike, 0) + 1
            if taken[alike] <= alike_at_most and test["result"] != "acceptable":
                yield group, test, f"wycheproof-{name.removesuffix('_test').replace('_', '-')}-{test['tcId']}", f"wycheproof {name}.json, {test['tcId']}: {test['comment'] or ', '.join(test['flags']) or 'a test'}"


def h(text):
    return bytes.fromhex(text)


def write(folder):
    with File("wycheproof-signatures", "Signatures of the Wycheproof project, github.com/C2SP/wycheproof (Apache-2.0).") as f:
        for group, test, name, source in tests(folder, "ed25519_test"):
            f.add(name, source, "verify", algorithm="ED25519", key=h(group["publicKey"]["pk"]), data=h(test["msg"]), signature=h(test["sig"]), valid=test["result"] == "valid")
        for group, test, name, source in tests(folder, "ecdsa_secp256r1_sha256_p1363_test"):
            f.add(name, source, "verify", algorithm="ECDSA_P256_SHA256", key=h(group["publicKey"]["uncompressed"]), data=h(test["msg"]), signature=h(test["sig"]), valid=test["result"] == "valid")
        for file, algorithm in ("rsa_signature_2048_sha256_test", "RSA_PKCS1_SHA256"), ("rsa_pss_2048_sha256_mgf1_32_test", "RSA_PSS_SHA256"):
            for group, test, name, source in tests(folder, file):
                key = group["publicKey"]
                f.add(name, source, "verify", algorithm=algorithm, rsa_n=h(key["modulus"]), rsa_e=h(key["publicExponent"]), data=h(test["msg"]), signature=h(test["sig"]), valid=test["result"] == "valid")
    with File("wycheproof-gcm", "AES-256-GCM of the Wycheproof project, github.com/C2SP/wycheproof (Apache-2.0).") as f:
        for _, test, name, source in tests(folder, "aes_gcm_test", fits=lambda g: (g["keySize"], g["ivSize"], g["tagSize"]) == (256, 96, 128)):
            result = {"output": h(test["msg"])} if test["result"] == "valid" else {"error": "DECRYPTION_FAILED"}
            f.add(name, source, "decrypt", key=h(test["key"]), nonce=h(test["iv"]), aad=h(test["aad"]), ciphertext=h(test["ct"] + test["tag"]), **result)
    with File("wycheproof-hkdf", "HKDF of the Wycheproof project, github.com/C2SP/wycheproof (Apache-2.0).") as f:
        for hash_name in "SHA1", "SHA256", "SHA512":
            for _, test, name, source in tests(folder, f"hkdf_{hash_name.lower()}_test", 2):
                result = {"output": h(test["okm"])} if test["result"] == "valid" else {"error": "BAD_LENGTH"}
                f.add(name, source, "hkdf", hash=hash_name, key=h(test["ikm"]), salt=h(test["salt"]), info=h(test["info"]), length=test["size"], **result)


write(pathlib.Path(sys.argv[1]))
