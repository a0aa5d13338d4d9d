// SPDX-License-Identifier: Apache-2.0

#include "support/master.hpp"

#include <filesystem>
#include <stdexcept>

#include "wire/batch.hpp"
#include "wire/frames.hpp"

namespace test {

using detail::flaw;
using detail::role;
using std::chrono::milliseconds;

namespace {

[[noreturn]] void fail(const std::string& text) { throw std::runtime_error("scripted master: " + text); }

void check(flaw bad) {
  if (bad) fail(bad.text);
}

void put_job(std::string& out, const job& j) {
  detail::worker_job w;
  w.ref = {j.id, j.attempt};
  w.time_left = j.time_left;
  w.service = j.service;
  w.headers = j.headers;
  check(detail::put_worker_job_fields(out, w));
}

}  // namespace

temporary_directory::temporary_directory() {
  std::string name = std::filesystem::temp_directory_path() / "powerhose-test-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) fail("mkdtemp");
  path_ = name;
}

temporary_directory::~temporary_directory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string header_frame(command what) {
  std::string out;
  detail::put_header(out, role::worker, what);
  return out;
}

std::string job_frame(const job& j) {
  std::string out = header_frame(command::job);
  put_job(out, j);
  return out;
}

master::master() { come_back(); }

master::~master() { die(); }

void master::die() {
  dealer_.close();
  router_.close();
  pending_.clear();
  peer_.clear();
}

void master::come_back() {
  namespace opt = zmq::sockopt;
  router_ = zmq::socket_t(context_, zmq::socket_type::router);
  router_.set(opt::router_mandatory, true);
  router_.set(opt::probe_router, true);
  router_.set(opt::linger, 0);
  router_.set(opt::sndhwm, 100000);
  router_.set(opt::rcvhwm, 100000);
  router_.bind(endpoint());
}

bool master::receive(std::vector<std::string>& frames, milliseconds within) {
  zmq::pollitem_t items[] = {{router_, 0, ZMQ_POLLIN, 0},
                             {dealer_ ? dealer_.handle() : nullptr, -1, ZMQ_POLLIN, 0}};
  const std::size_t count = dealer_ ? 2 : 1;
  if (zmq::poll(items, count, within) == 0) return false;
  const bool own = (items[0].revents & ZMQ_POLLIN) == 0;
  zmq::socket_t& from = own ? dealer_ : router_;
  frames.clear();
  if (own) frames.push_back(peer_);
  zmq::message_t part;
  do {
    if (!from.recv(part)) fail("receive");
    frames.push_back(part.to_string());
  } while (part.more());
  ++messages_;
  return true;
}

// Waits until something is pending.
bool master::fill(milliseconds within) {
  const auto end = std::chrono::steady_clock::now() + within;
  while (pending_.empty()) {
    const auto left = std::chrono::duration_cast<milliseconds>(end - std::chrono::steady_clock::now());
    std::vector<std::string> frames;
    if (left.count() < 0 || !receive(frames, left + milliseconds(1))) return false;
    unpack(frames);
  }
  return true;
}

void master::unpack(const std::vector<std::string>& frames) {
  detail::header head;
  check(detail::check_envelope(role::worker, detail::direction::to_master, frames.at(1), frames.size() - 1,
                               head));
  peer_ = frames[0];
  if (head.what == command::ping && answers_pings) {
    send(command::pong);
    return;
  }
  if (head.what == command::pong && answers_pings) return;
  if (head.what != command::batch) {
    pending_.push_back({peer_, head.what, std::string(head.fields), frames.size() > 2 ? frames[2] : ""});
    return;
  }
  detail::batch_reader records(head.fields);
  detail::batch_record r;
  while (records.next(r)) pending_.push_back({peer_, r.what, std::string(r.fields), std::string(r.payload)});
  check(records.bad());
}

received master::next() {
  if (!fill(patience)) fail("nothing came in time");
  received r = std::move(pending_.front());
  pending_.pop_front();
  return r;
}

bool master::hears(milliseconds within) { return fill(within); }

received master::expect(command what) {
  received r = next();
  if (r.what != what)
    fail(std::string("expected ") + detail::name_of(what) + ", got " + detail::name_of(r.what));
  return r;
}

detail::registration master::expect_register() {
  detail::registration r;
  check(detail::parse_registration(role::worker, expect(command::register_).fields, r));
  return r;
}

result master::expect_result() {
  const received r = expect(command::result);
  detail::worker_result w;
  check(detail::parse_worker_result(r.fields, w));
  return {w.ref.id, w.ref.attempt, w.status == detail::job_status::ok, r.payload, w.run_us};
}

detail::job_ref master::expect_return() {
  detail::job_ref ref;
  check(detail::parse_job_ref(expect(command::return_).fields, ref));
  return ref;
}

detail::registration master::accept(detail::welcome grant) {
  detail::registration r = expect_register();
  welcome(std::move(grant));
  return r;
}

void master::welcome(detail::welcome grant) {
  if (grant.identity.empty()) grant.identity = "scripted";
  std::string frame;
  check(detail::put_welcome(frame, role::worker, grant));
  send_frames({frame});
}

void master::send(command what) { send_frames({header_frame(what)}); }

void master::send(command what, detail::job_ref ref) {
  std::string frame;
  detail::put_job_ref(frame, what, ref);
  send_frames({frame});
}

void master::send_error(detail::error_code code, const std::string& text) {
  std::string frame;
  detail::peer_error e;
  e.code = code;
  e.text = text;
  detail::put_error(frame, role::worker, e);
  send_frames({frame});
}

void master::give(const job& j) { send_frames({job_frame(j), j.payload}); }

void master::give_batch(const std::vector<job>& jobs) {
  std::string frame = header_frame(command::batch);
  for (const job& j : jobs) {
    const std::size_t mark = detail::begin_record(frame, command::job);
    put_job(frame, j);
    detail::end_record(frame, mark, j.payload);
  }
  send_frames({frame});
}

void master::send_frames(const std::vector<std::string>& frames) {
  // What is about jobs goes over the worker's own socket, if it has one.
  const auto what = frames[0].size() > 5 ? static_cast<command>(frames[0][5]) : command::ping;
  const bool own = dealer_ && (what == command::job || what == command::batch || what == command::cancel ||
                               what == command::recall);
  zmq::socket_t& to = own ? dealer_ : router_;
  if (!own) to.send(zmq::buffer(peer_), zmq::send_flags::sndmore);
  for (std::size_t i = 0; i < frames.size(); ++i)
    to.send(zmq::buffer(frames[i]), i + 1 < frames.size() ? zmq::send_flags::sndmore : zmq::send_flags::none);
}

void master::reach(const std::string& endpoint) {
  namespace opt = zmq::sockopt;
  dealer_ = zmq::socket_t(context_, zmq::socket_type::dealer);
  dealer_.set(opt::immediate, true);
  dealer_.set(opt::linger, 0);
  dealer_.set(opt::rcvtimeo, static_cast<int>(milliseconds(patience).count()));
  dealer_.connect(endpoint);
  zmq::message_t probe;
  if (!dealer_.recv(probe) || probe.size() != 0 || probe.more())
    fail("no probe from the worker's own socket");
}

}  // namespace test
