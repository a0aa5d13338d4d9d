// SPDX-License-Identifier: Apache-2.0

// The operations of the crypto service, each as a bare call of Crypto++ in a loop:
//
//   crypto-library OPERATION INPUTS WARM_MS MEASURE_MS
//
// INPUTS is a file with a line for each input: its name, a blank, its octets in
// hexadecimal. What can be made once is made before the loop: keys, what Crypto++
// computes with, generators of random numbers. The first line that is printed is
// a result in hexadecimal, for the process that started this one to check.

#include <cryptopp/aes.h>
#include <cryptopp/donna.h>
#include <cryptopp/dsa.h>
#include <cryptopp/eccrypto.h>
#include <cryptopp/gcm.h>
#include <cryptopp/hkdf.h>
#include <cryptopp/hmac.h>
#include <cryptopp/oids.h>
#include <cryptopp/osrng.h>
#include <cryptopp/pssr.h>
#include <cryptopp/rsa.h>
#include <cryptopp/scrypt.h>
#include <cryptopp/sha.h>

#include <cstdio>
#include <exception>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>

#include "../loop.hpp"

namespace {

using CryptoPP::byte;
using CryptoPP::Integer;
using CryptoPP::SHA256;

const byte* octets(const std::string& s) { return reinterpret_cast<const byte*>(s.data()); }
byte* octets(std::string& s) { return reinterpret_cast<byte*>(s.data()); }

class inputs {
 public:
  explicit inputs(const char* path) {
    std::ifstream file(path);
    for (std::string name, digits; file >> name >> digits;) {
      std::string& to = all_[name];
      for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
        to += static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16));
    }
  }

  const std::string& operator[](const char* name) const {
    const auto at = all_.find(name);
    if (at == all_.end()) throw std::runtime_error(std::string("no input ") + name);
    return at->second;
  }

  Integer number(const char* name) const {
    const std::string& text = (*this)[name];
    return {octets(text), text.size()};
  }

 private:
  std::map<std::string, std::string> all_;
};

// A call writes its result into out, which keeps its memory.
using call = std::function<void(std::string& out)>;

call derive(const inputs& in) {
  return [ikm = in["secret"]](std::string& out) {
    constexpr std::size_t size = 32;
    out.resize(size);
    CryptoPP::HKDF<SHA256>().DeriveKey(octets(out), size, octets(ikm), ikm.size(), nullptr, 0, nullptr, 0);
  };
}

call authenticate(const inputs& in) {
  const std::string& key = in["secret"];
  const auto mac = std::make_shared<CryptoPP::HMAC<SHA256>>(octets(key), key.size());
  return [mac, data = in["data"]](std::string& out) {
    out.resize(SHA256::DIGESTSIZE);
    mac->CalculateDigest(octets(out), octets(data), data.size());
  };
}

call digest(const inputs& in) {
  const auto hash = std::make_shared<SHA256>();
  return [hash, data = in["data"]](std::string& out) {
    out.resize(SHA256::DIGESTSIZE);
    hash->CalculateDigest(octets(out), octets(data), data.size());
  };
}

constexpr std::size_t nonce_size = 12;
constexpr std::size_t tag_size = 16;

// The result is the nonce, the ciphertext and the tag.
call encrypt(const inputs& in) {
  const std::string& key = in["secret"];
  const auto gcm = std::make_shared<CryptoPP::GCM<CryptoPP::AES>::Encryption>();
  gcm->SetKeyWithIV(octets(key), key.size(), octets(key), nonce_size);
  const auto system = std::make_shared<CryptoPP::NonblockingRng>();
  return [gcm, system, data = in["data"]](std::string& out) {
    out.resize(nonce_size + data.size() + tag_size);
    byte* const nonce = octets(out);
    byte* const ciphertext = nonce + nonce_size;
    system->GenerateBlock(nonce, nonce_size);
    gcm->EncryptAndAuthenticate(ciphertext, ciphertext + data.size(), tag_size, nonce, nonce_size, nullptr, 0,
                                octets(data), data.size());
  };
}

call decrypt(const inputs& in) {
  const std::string& key = in["secret"];
  const auto gcm = std::make_shared<CryptoPP::GCM<CryptoPP::AES>::Decryption>();
  gcm->SetKeyWithIV(octets(key), key.size(), octets(key), nonce_size);
  return [gcm, nonce = in["nonce"], sealed = in["ciphertext"]](std::string& out) {
    const std::size_t size = sealed.size() - tag_size;
    out.resize(size);
    if (!gcm->DecryptAndVerify(octets(out), octets(sealed) + size, tag_size, octets(nonce), nonce_size,
                               nullptr, 0, octets(sealed), size))
      throw std::runtime_error("the ciphertext is not authentic");
  };
}

call random_octets(const inputs&) {
  const auto system = std::make_shared<CryptoPP::NonblockingRng>();
  return [system](std::string& out) {
    constexpr std::size_t size = 32;
    out.resize(size);
    system->GenerateBlock(octets(out), size);
  };
}

call scrypt(const inputs&) {
  return [password = std::string("password"), salt = std::string("salt")](std::string& out) {
    constexpr std::size_t size = 32;
    out.resize(size);
    CryptoPP::Scrypt().DeriveKey(octets(out), size, octets(password), password.size(), octets(salt),
                                 salt.size(), 4096, 8, 1);
  };
}

// signing makes a call of a signer, which may be of any algorithm but Ed25519.
template <class Signer>
call signing(std::shared_ptr<Signer> signer, const inputs& in) {
  const auto random = std::make_shared<CryptoPP::AutoSeededRandomPool>();
  return [signer, random, data = in["data"]](std::string& out) {
    out.resize(signer->SignatureLength());
    signer->SignMessage(*random, octets(data), data.size(), octets(out));
  };
}

// verifying makes a call that tells whether the signature is good. It has seen
// then that another one is not.
template <class Check>
call verifying(Check good, const inputs& in) {
  std::string other = in["signature"];
  other.back() = static_cast<char>(other.back() ^ 1);
  if (good(other)) throw std::runtime_error("a wrong signature is good");
  return
      [good, signature = in["signature"]](std::string& out) { out.assign(1, good(signature) ? '\1' : '\0'); };
}

template <class Verifier>
call verifying_with(std::shared_ptr<Verifier> verifier, const inputs& in) {
  return verifying(
      [verifier, data = in["data"]](const std::string& signature) {
        return verifier->VerifyMessage(octets(data), data.size(), octets(signature), signature.size());
      },
      in);
}

// The classes around these functions copy the data.
call sign_ed25519(const inputs& in) {
  return [data = in["data"], seed = in["seed"], point = in["point"]](std::string& out) {
    constexpr std::size_t size = 64;
    out.resize(size);
    CryptoPP::Donna::ed25519_sign(octets(data), data.size(), octets(seed), octets(point), octets(out));
  };
}

call verify_ed25519(const inputs& in) {
  return verifying(
      [data = in["data"], point = in["point"]](const std::string& signature) {
        return CryptoPP::Donna::ed25519_sign_open(octets(data), data.size(), octets(point),
                                                  octets(signature)) == 0;
      },
      in);
}

using ecdsa = CryptoPP::ECDSA<CryptoPP::ECP, SHA256>;
using p256 = CryptoPP::DL_GroupParameters_EC<CryptoPP::ECP>;

call sign_ecdsa(const inputs& in) {
  const auto signer = std::make_shared<ecdsa::Signer>();
  signer->AccessKey().Initialize(p256(CryptoPP::ASN1::secp256r1()), in.number("d"));
  return signing(signer, in);
}

call verify_ecdsa(const inputs& in) {
  p256 group(CryptoPP::ASN1::secp256r1());
  // As the service does: it halves the time.
  group.AccessBasePrecomputation().Precompute(group.GetGroupPrecomputation(), 256, 16);
  const auto verifier = std::make_shared<ecdsa::Verifier>();
  verifier->AccessKey().Initialize(group, {in.number("x"), in.number("y")});
  return verifying_with(verifier, in);
}

template <class Padding>
call sign_rsa(const inputs& in) {
  const Integer n = in.number("n"), d = in.number("d"), p = in.number("p"), q = in.number("q");
  CryptoPP::InvertibleRSAFunction key;
  key.Initialize(n, in.number("e"), d, p, q, d % (p - 1), d % (q - 1), q.InverseMod(p));
  return signing(std::make_shared<typename CryptoPP::RSASS<Padding, SHA256>::Signer>(key), in);
}

template <class Padding>
call verify_rsa(const inputs& in) {
  const auto verifier = std::make_shared<typename CryptoPP::RSASS<Padding, SHA256>::Verifier>();
  verifier->AccessKey().Initialize(in.number("n"), in.number("e"));
  return verifying_with(verifier, in);
}

template <class Hash>
call sign_dsa(const inputs& in) {
  const auto signer = std::make_shared<typename CryptoPP::DSA2<Hash>::Signer>();
  signer->AccessKey().Initialize(in.number("p"), in.number("q"), in.number("g"), in.number("x"));
  return signing(signer, in);
}

template <class Hash>
call verify_dsa(const inputs& in) {
  const auto verifier = std::make_shared<typename CryptoPP::DSA2<Hash>::Verifier>();
  verifier->AccessKey().Initialize(in.number("p"), in.number("q"), in.number("g"), in.number("y"));
  return verifying_with(verifier, in);
}

const std::map<std::string, call (*)(const inputs&)> operations = {
    {"hkdf SHA-256", derive},
    {"hmac SHA-256", authenticate},
    {"digest SHA-256", digest},
    {"encrypt", encrypt},
    {"decrypt", decrypt},
    {"random 32", random_octets},
    {"sign ED25519", sign_ed25519},
    {"verify ED25519", verify_ed25519},
    {"sign ECDSA P-256", sign_ecdsa},
    {"verify ECDSA P-256", verify_ecdsa},
    {"sign RSA PKCS1", sign_rsa<CryptoPP::PKCS1v15>},
    {"verify RSA PKCS1", verify_rsa<CryptoPP::PKCS1v15>},
    {"sign RSA PSS", sign_rsa<CryptoPP::PSS>},
    {"verify RSA PSS", verify_rsa<CryptoPP::PSS>},
    {"sign DS128", sign_dsa<CryptoPP::SHA1>},
    {"verify DS128", verify_dsa<CryptoPP::SHA1>},
    {"sign DS256", sign_dsa<SHA256>},
    {"verify DS256", verify_dsa<SHA256>},
    {"scrypt 4096/8/1", scrypt},
};

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 5) {
    std::fprintf(stderr, "usage: crypto-library OPERATION INPUTS WARM_MS MEASURE_MS\n");
    return 2;
  }
  const auto operation = operations.find(argv[1]);
  if (operation == operations.end()) throw std::runtime_error("no such operation");
  const call f = operation->second(inputs(argv[2]));
  std::string out;
  f(out);
  for (const char c : out) std::printf("%02x", static_cast<unsigned>(static_cast<byte>(c)));
  std::puts("");
  std::fflush(stdout);
  loop(number(argv[3]), number(argv[4]), [&] { f(out); });
} catch (const std::exception& e) {
  std::fprintf(stderr, "crypto-library: %s\n", e.what());
  return 1;
}
