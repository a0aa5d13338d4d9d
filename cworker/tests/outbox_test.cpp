// SPDX-License-Identifier: Apache-2.0

#include "outbox.hpp"

#include <doctest/doctest.h>

#include "wire/batch.hpp"
#include "wire/frames.hpp"

using namespace powerhose::detail;

TEST_CASE("outbox: fills a batch up to what was granted") {
  outbox box;
  CHECK_FALSE(box.takes("x"));  // nothing was granted yet
  box.grant(2, 65536);
  CHECK(box.takes("x"));
  CHECK(box.takes(std::string(8192, 'x')));
  CHECK_FALSE(box.takes(std::string(8193, 'x')));
  CHECK(box.empty());
  const moment now{};
  box.add(now, "m", {{1, 2}, job_status::ok, 3}, "one");
  CHECK(box.has_room("m", "two"));
  CHECK_FALSE(box.has_room("other", "two"));
  box.add(now, "m", {{4, 5}, job_status::error, 6}, "two");
  CHECK(box.full());
  CHECK_FALSE(box.has_room("m", "three"));
  CHECK(box.peer() == "m");

  header head;
  REQUIRE_FALSE(check_envelope(role::worker, direction::to_master, box.frame(), 1, head));
  batch_reader records(head.fields);
  batch_record r;
  worker_result result;
  REQUIRE(records.next(r));
  CHECK(r.payload == "one");
  REQUIRE(records.next(r));
  REQUIRE_FALSE(parse_worker_result(r.fields, result));
  CHECK(result.ref == job_ref{4, 5});
  CHECK(result.status == job_status::error);
  CHECK(r.payload == "two");
  CHECK_FALSE(records.next(r));
  CHECK_FALSE(records.bad());

  box.clear();
  CHECK(box.empty());
  box.grant(0, 65536);
  CHECK_FALSE(box.takes("x"));
}

TEST_CASE("outbox: no batch is longer than the largest message") {
  outbox box;
  box.grant(256, 65536);
  const std::string payload(8000, 'x');
  std::size_t count = 0;
  while (box.has_room("", payload)) box.add({}, "", {}, payload), ++count;
  CHECK(count == 7);
  CHECK(box.frame().size() <= 60 << 10);
}
