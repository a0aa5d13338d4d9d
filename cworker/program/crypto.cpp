// SPDX-License-Identifier: Apache-2.0

#include "crypto.hpp"

#include <memory>

#include "crypto_service.hpp"
#include "text.hpp"

namespace cworker {

const char crypto_service[] = "crypto";
const bool has_crypto = true;

std::string offer_crypto(powerhose::worker& to, const std::string& key_directory) {
  using powerhose::crypto::service;
  // Shared, as the worker wants handlers that can be copied.
  const auto crypto = key_directory.empty() ? std::make_shared<const service>()
                                            : std::make_shared<const service>(key_directory);
  to.on(crypto_service, [crypto](const powerhose::job& job) { return crypto->handle(job.payload()); });
  if (key_directory.empty()) return "";
  std::string names;
  for (const std::string& name : crypto->key_names()) names.append(names.empty() ? "" : ", ").append(name);
  return "keys loaded from " + powerhose::detail::printable(key_directory) + ": " +
         (names.empty() ? "none" : names);
}

}  // namespace cworker
