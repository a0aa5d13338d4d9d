// SPDX-License-Identifier: Apache-2.0

// BATCH: docs/protocol.md, section 6.6.

#pragma once

#include <cstdint>
#include <string>

#include "wire/bytes.hpp"
#include "wire/code.hpp"
#include "wire/flaw.hpp"

namespace powerhose::detail {

/// What a record has beside its fields and its payload.
constexpr std::size_t record_overhead = 1 + 2 + 4;

struct batch_record {
  command what{};
  view fields;
  view payload;
};

/// Reads the records of a BATCH. Who finds the fields of a record flawed stops
/// there too.
class batch_reader {
 public:
  explicit batch_reader(view fields);
  /// False after the last record and at the first malformed one; bad() tells.
  bool next(batch_record& out);
  flaw bad() const { return bad_; }

 private:
  bool fail(flaw bad);

  view rest_;
  std::size_t count_ = 0;
  flaw bad_;
};

/// Begins a record in `out`, behind a header or another record, and returns what
/// end_record needs; the fields are appended in between.
std::size_t begin_record(std::string& out, command what);
void end_record(std::string& out, std::size_t mark, view payload);

}  // namespace powerhose::detail
