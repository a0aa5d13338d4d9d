// SPDX-License-Identifier: Apache-2.0

#include "wire/batch.hpp"

#include "wire/limits.hpp"

namespace powerhose::detail {

batch_reader::batch_reader(view fields) : rest_(fields) {
  if (fields.empty()) bad_ = malformed("BATCH: no record");
}

bool batch_reader::fail(flaw bad) {
  bad_ = bad;
  rest_ = {};
  return false;
}

bool batch_reader::next(batch_record& out) {
  if (bad_ || rest_.empty()) return false;
  if (count_ == max_batch) return fail(too_large("a BATCH has more than 256 records"));
  if (rest_.size() < 3) return fail(malformed("BATCH: a record is cut short"));
  out.what = static_cast<command>(rest_[0]);
  if (out.what != command::job && out.what != command::result)
    return fail(malformed("BATCH: a record is neither JOB nor RESULT"));
  const std::size_t fields = get<std::uint16_t>(rest_, 1);
  view in = rest_.substr(3);
  if (in.size() < fields + 4) return fail(malformed("BATCH: a record is cut short"));
  out.fields = in.substr(0, fields);
  const std::size_t payload = get<std::uint32_t>(in, fields);
  in.remove_prefix(fields + 4);
  if (in.size() < payload) return fail(malformed("BATCH: a record is cut short"));
  out.payload = in.substr(0, payload);
  rest_ = in.substr(payload);
  ++count_;
  return true;
}

std::size_t begin_record(std::string& out, command what) {
  put(out, static_cast<std::uint8_t>(what));
  put(out, std::uint16_t{0});  // filled in when the fields are there
  return out.size();
}

void end_record(std::string& out, std::size_t mark, view payload) {
  const std::size_t fields = out.size() - mark;
  out[mark - 2] = static_cast<char>(fields >> 8);
  out[mark - 1] = static_cast<char>(fields & 0xff);
  put(out, static_cast<std::uint32_t>(payload.size()));
  out.append(payload);
}

}  // namespace powerhose::detail
