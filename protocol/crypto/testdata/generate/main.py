# SPDX-License-Identifier: Apache-2.0
"""Writes the test vectors and test keys of the crypto service.

    python3 -B protocol/crypto/testdata/generate/main.py

It takes a minute, and the same octets come out every time. Whatever is made here is checked with OpenSSL through Debian's python3-cryptography;
published numbers are checked as well. wycheproof.py beside this file makes the vectors of that project.
"""

import asymmetric
import dsa
import keys
import rest
import symmetric

keys.write()
symmetric.write()
asymmetric.write()
dsa.write()
rest.write()
