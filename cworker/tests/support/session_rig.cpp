// SPDX-License-Identifier: Apache-2.0

#include "support/session_rig.hpp"

#include <memory>
#include <utility>

#include "text.hpp"
#include "wire/batch.hpp"
#include "wire/frames.hpp"

namespace test {

using namespace powerhose::detail;

namespace {

// Its octets live as long as the message, as they do in real life.
struct owned {
  std::vector<std::string> octets;
};

std::string header_of(command what) {
  std::string out;
  put_header(out, role::worker, what);
  return out;
}

void put_job(std::string& out, std::uint64_t id, std::chrono::microseconds time_left,
             const std::string& service) {
  worker_job j;
  j.ref = {id, 1};
  j.time_left = time_left;
  j.service = service;
  static_cast<void>(put_worker_job_fields(out, j));
}

std::string ref_in_words(const job_ref& ref) {
  return std::to_string(ref.id) + "/" + std::to_string(ref.attempt);
}

std::string to_peer(const action& a) { return a.peer.empty() ? "" : " to " + a.peer; }

}  // namespace

message frames(std::vector<std::string> octets) {
  auto kept = std::make_shared<owned>(owned{std::move(octets)});
  message m;
  m.count = kept->octets.size();
  for (std::size_t i = 0; i < m.count && i < 2; ++i) m.frames[i] = kept->octets[i];
  m.owner = std::move(kept);
  return m;
}

message from(const std::string& peer, message m) {
  m.peer = peer;
  return m;
}

message probe() { return frames({""}); }

message just(command what) { return frames({header_of(what)}); }

message welcome(milliseconds heartbeat, int liveness) {
  struct powerhose::detail::welcome w;
  w.identity = "m";
  w.heartbeat = heartbeat;
  w.liveness = liveness;
  std::string out;
  static_cast<void>(put_welcome(out, role::worker, w));
  return frames({out});
}

message job(std::uint64_t id, milliseconds time_left, const std::string& service) {
  std::string out = header_of(command::job);
  put_job(out, id, time_left, service);
  return frames({out, "payload"});
}

message batch(const std::vector<std::uint64_t>& ids) {
  std::string out = header_of(command::batch);
  for (const std::uint64_t id : ids) {
    const std::size_t mark = begin_record(out, command::job);
    put_job(out, id, std::chrono::minutes(1), "square");
    end_record(out, mark, "payload");
  }
  return frames({out});
}

message reference(command what, std::uint64_t id, std::uint32_t attempt) {
  std::string out;
  put_job_ref(out, what, {id, attempt});
  return frames({out});
}

message complain(int code, const std::string& text, role who) {
  peer_error e;
  e.octet = static_cast<std::uint8_t>(code);
  e.text = text;
  std::string out;
  put_error(out, who, e);
  return frames({out});
}

std::string in_words(const action& a) {
  const std::string slot = std::to_string(a.slot);
  switch (a.kind) {
    case act::register_: return "register";
    case act::up: return "up";
    case act::down: return std::string("down: ") + name_of(a.why);
    case act::reconnect: return std::string("reconnect: ") + name_of(a.why);
    case act::send: return std::string("send ") + name_of(a.what) + to_peer(a);
    case act::return_: return "return " + ref_in_words(a.ref) + to_peer(a);
    case act::start:
      return "start " + slot + ": " + ref_in_words(a.job->ref) + " #" + std::to_string(a.job->number);
    case act::cancel: return "cancel " + slot + ": " + name_of(a.why);
    case act::result: return "result " + slot + ": " + ref_in_words(a.ref) + to_peer(a);
    case act::dropped: return "dropped";
    case act::complaint: return "complaint: " + a.text;
    case act::end: return std::string("end: ") + name_of(a.why) + (a.text.empty() ? "" : " " + a.text);
  }
  return "?";
}

session_config session_rig::usual() {
  session_config c;
  c.services = {"", "square"};
  c.capacity = 1;
  c.prefetch = 3;
  c.patience = seconds(5);
  c.drain_timeout = seconds(30);
  return c;
}

session_rig::session_rig(session_config config) : s(moment{}, std::move(config)) {}

words session_rig::told() {
  words out;
  for (const action& a : out_) out.push_back(in_words(a));
  out_.clear();
  return out;
}

words session_rig::receive(const message& m) {
  s.received(now, m, out_);
  return told();
}

words session_rig::done(std::size_t slot) {
  s.done(now, slot, out_);
  return told();
}

words session_rig::fenced(std::size_t slot) {
  s.fenced(now, slot, out_);
  return told();
}

words session_rig::unsent() {
  s.unsent(now, out_);
  return told();
}

words session_rig::drain() {
  s.drain(now, out_);
  return told();
}

words session_rig::tick() {
  s.tick(now, out_);
  return told();
}

words session_rig::wait(milliseconds at) {
  words out;
  while (!s.ended() && s.deadline() <= moment(at)) {
    now = std::max(now, s.deadline());
    for (const std::string& word : tick())
      out.push_back("@" + format_duration(now.time_since_epoch()) + " " + word);
  }
  now = moment(at);
  return out;
}

void session_rig::register_() {
  receive(probe());
  receive(welcome());
}

}  // namespace test
