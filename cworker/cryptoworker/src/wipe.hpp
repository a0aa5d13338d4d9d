// SPDX-License-Identifier: Apache-2.0

// Overwriting what protobuf decoded. Its strings are ordinary ones, which leave
// their octets in memory when they are freed, so what may be secret is
// overwritten in place before that: keys, passwords, what is encrypted or hashed,
// and results.
//
// What stays out of reach, in the order of how much it may be:
//   - the request and the answer as libzmq has them;
//   - what a request has twice, as protobuf frees the former of two operations,
//     and what it has in fields that this version does not know, as protobuf's
//     lite runtime keeps these to itself;
//   - the last 16 octets of a request, which protobuf decodes from a buffer on
//     the stack;
//   - what Crypto++ has on the stack or in registers while it computes, such as
//     the expanded key of Ed25519. Its big numbers and its key schedules are in
//     blocks that it overwrites itself.

#pragma once

#include <string>

#include "crypto.pb.h"

namespace powerhose::crypto {

/// Overwrites a string with all of its capacity. What was in it must not be used
/// any more; the string may.
void wipe(std::string& s);

void wipe(v1::Request& request);
void wipe(v1::Response& response);

/// A message that is wiped when it goes.
template <class Message>
class wiped {
 public:
  wiped() = default;
  wiped(const wiped&) = delete;
  wiped& operator=(const wiped&) = delete;
  ~wiped() { wipe(message_); }

  Message& operator*() noexcept { return message_; }
  Message* operator->() noexcept { return &message_; }

 private:
  Message message_;
};

}  // namespace powerhose::crypto
