// SPDX-License-Identifier: Apache-2.0

#include "crypto_service.hpp"

#include <google/protobuf/io/coded_stream.h>
#if __has_include(<google/protobuf/stubs/logging.h>)
#include <google/protobuf/stubs/logging.h>
#define POWERHOSE_PROTOBUF_LOGS 1
#endif

#include <cryptopp/cryptlib.h>

#include "failure.hpp"
#include "key_store.hpp"
#include "limits.hpp"
#include "operations.hpp"
#include "wipe.hpp"

namespace powerhose::crypto {

namespace {

// Protobuf writes a line to standard error for a text that is not UTF-8, which
// whoever sends requests could make it do all day.
void silence_protobuf() {
#ifdef POWERHOSE_PROTOBUF_LOGS
  static const auto previous = google::protobuf::SetLogHandler(nullptr);
  static_cast<void>(previous);
#endif
}

void decode(std::string_view payload, v1::Request& request) {
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const std::uint8_t*>(payload.data()),
                                            static_cast<int>(payload.size()));  // limits::request fits
  // Groups, all unknown, may be in each other to the depth that Go allows.
  constexpr int depth = 10000;
  in.SetRecursionLimit(depth);
  if (!request.ParseFromCodedStream(&in) || !in.ConsumedEntireMessage())
    throw failure(v1::BAD_REQUEST, "not a request of this service");
}

std::string respond(const key_store& keys, std::string_view payload) {
  check_length("request", payload.size(), 0, limits::request);
  wiped<v1::Request> request;
  wiped<v1::Response> response;
  decode(payload, *request);
  answer(keys, *request, *response);
  return response->SerializeAsString();
}

std::string error(v1::ErrorCode code, std::string_view text) {
  v1::Response response;
  response.mutable_error()->set_code(code);
  response.mutable_error()->set_text(std::string(text.substr(0, limits::error_text)));
  return response.SerializeAsString();
}

}  // namespace

service::service() : keys_(std::make_unique<const key_store>()) { silence_protobuf(); }

service::service(const std::string& key_directory) : keys_(std::make_unique<const key_store>(key_directory)) {
  silence_protobuf();
}

service::service(service&&) noexcept = default;
service& service::operator=(service&&) noexcept = default;
service::~service() = default;

// The one place where what went wrong becomes an answer. What Crypto++ says of it
// stays here: what a request can do wrong has been checked before, so it is our
// own fault, or that of the system, as when /dev/urandom cannot be opened.
std::string service::handle(std::string_view request) const {
  try {
    return respond(*keys_, request);
  } catch (const failure& e) {
    return error(e.code(), e.what());
  } catch (const CryptoPP::Exception&) {
    return error(v1::INTERNAL, "internal error");
  } catch (const std::exception&) {
    return error(v1::INTERNAL, "internal error");
  }
}

std::vector<std::string> service::key_names() const { return keys_->names(); }

}  // namespace powerhose::crypto
