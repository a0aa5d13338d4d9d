// SPDX-License-Identifier: Apache-2.0

// A session, its edge, a link that breaks, and a master that gives jobs, takes
// them back, evicts and dies. What a worker promises is checked after every
// step, above all that no job is ever started twice, although the master gives
// jobs again that it knows have not started.

#include <doctest/doctest.h>

#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <utility>

#include "support/session_rig.hpp"
#include "wire/batch.hpp"
#include "wire/frames.hpp"

using namespace test;
using detail::act;
using detail::action;
using detail::command;
using detail::job_ref;

namespace {

struct shared_ledger {
  std::uint64_t claimed = 0;
  bool closed = false;
};

struct to_master {
  command what{};
  job_ref ref;
  std::shared_ptr<shared_ledger> ledger;
};

class simulation {
 public:
  explicit simulation(unsigned seed)
      : random_(seed), config_(configure()), session_(detail::moment{}, config_), grants_(pick(2) == 0) {}

  void run() {
    for (int i = 0; i < 1000; ++i) chance();
    settle();
    if (ended_) return;
    // It works again: a new job is done, then it drains.
    give(1);
    settle();
    REQUIRE(answered_[order_.back().id] == 1);
    session_.drain(now_, out_);
    perform();
    settle();
    REQUIRE(ended_);
    CHECK(why_ == detail::reason::drained);
  }

 private:
  std::size_t pick(std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random_); }

  detail::session_config configure() {
    auto c = session_rig::usual();
    c.capacity = 1 + pick(3);
    c.prefetch = pick(5);
    return c;
  }

  // The edge.

  void perform() {
    for (std::size_t i = 0; i < out_.size(); ++i) {
      REQUIRE_FALSE(ended_);
      const action a = out_[i];
      perform_one(a);
    }
    out_.clear();
    REQUIRE(running_.size() <= config_.capacity);
    if (!ended_) REQUIRE(session_.running() == running_.size());
  }

  void perform_one(const action& a) {
    switch (a.kind) {
      case act::register_:
        REQUIRE(running_.empty());
        ledger_ = std::make_shared<shared_ledger>();
        last_ = 0;
        return send({command::register_, {}, ledger_});
      case act::send:
        if (a.what == command::drain) REQUIRE_FALSE(std::exchange(drained_, true));
        return send({a.what, {}, {}});
      case act::return_: return send({command::return_, a.ref, {}});
      case act::result: return send({command::result, a.ref, {}});
      case act::start: return start(a);
      case act::reconnect: return disconnect();
      case act::end:
        ended_ = true;
        why_ = a.why;
        return;
      default: return;
    }
  }

  void start(const action& a) {
    REQUIRE(running_.count(a.slot) == 0);
    REQUIRE(a.slot < config_.capacity);
    REQUIRE(a.job->number > last_);
    last_ = a.job->number;
    if (grants_ && ledger_->closed) return session_.fenced(now_, a.slot, out_);
    if (grants_) ledger_->claimed = a.job->number;
    running_[a.slot] = a.job->ref;
    REQUIRE(started_.insert(a.job->ref.id).second);
  }

  void send(to_master m) {
    if (linked_) {
      up_stream_.push_back(std::move(m));
    } else {
      session_.unsent(now_, out_);
    }
  }

  // The link.

  void send_down(detail::message m) {
    if (linked_) down_stream_.push_back(std::move(m));
  }

  void connect() {
    linked_ = true;
    send_down(probe());
  }

  void disconnect() {
    linked_ = false;
    up_stream_.clear();
    down_stream_.clear();
    lose();
  }

  // The master.

  void lose() {
    if (!up_) return;
    up_ = false;
    std::uint64_t started = order_.size();
    if (theirs_) {
      theirs_->closed = true;
      started = std::min<std::uint64_t>(started, theirs_->claimed);
    }
    for (std::size_t i = started; i < order_.size(); ++i) {
      if (open_.count(order_[i].id) > 0 && open_[order_[i].id] == order_[i].attempt)
        pending_.push_back(order_[i].id);
    }
    open_.clear();
    order_.clear();
    theirs_.reset();
  }

  void handle(const to_master& m) {
    if (!up_ && m.what != command::register_) {
      if (m.what != command::bye) send_down(complain(1));
      return;
    }
    switch (m.what) {
      case command::register_:
        lose();
        up_ = true;
        draining_ = false;
        theirs_ = grants_ ? m.ledger : nullptr;
        send_down(welcome());
        break;
      case command::ping: send_down(just(command::pong)); break;
      case command::result:
        if (close(m.ref)) ++answered_[m.ref.id];
        break;
      case command::return_:
        REQUIRE(started_.count(m.ref.id) == 0);
        if (close(m.ref)) pending_.push_back(m.ref.id);
        break;
      case command::drain: draining_ = true; break;
      case command::bye: lose(); break;
      default: break;
    }
    if (draining_ && open_.empty()) {
      draining_ = up_ = false;
      send_down(just(command::bye));
    }
  }

  bool close(const job_ref& ref) {
    const auto at = open_.find(ref.id);
    if (at == open_.end() || at->second != ref.attempt) return false;
    open_.erase(at);
    return true;
  }

  // Sends jobs to the worker, waiting ones first.
  void give(std::size_t n) {
    std::string out;
    detail::put_header(out, detail::role::worker, command::batch);
    std::size_t count = 0;
    for (; count < n && up_ && !draining_ && open_.size() < config_.capacity + config_.prefetch; ++count) {
      std::uint64_t id = 0;
      if (pending_.empty()) {
        id = ++ids_;
      } else {
        id = pending_.front();
        pending_.pop_front();
      }
      detail::worker_job j;
      j.ref = {id, ++attempts_[id]};
      j.time_left = std::chrono::minutes(10);
      open_[id] = j.ref.attempt;
      order_.push_back(j.ref);
      const std::size_t mark = detail::begin_record(out, command::job);
      static_cast<void>(detail::put_worker_job_fields(out, j));
      detail::end_record(out, mark, "");
    }
    if (count > 0) send_down(frames({out}));
  }

  // What happens.

  void receive_one() {
    if (down_stream_.empty() || ended_) return;
    const detail::message m = down_stream_.front();
    down_stream_.pop_front();
    session_.received(now_, m, out_);
    perform();
  }

  void master_one() {
    if (up_stream_.empty()) return;
    const to_master m = up_stream_.front();
    up_stream_.pop_front();
    handle(m);
  }

  void finish(std::size_t which) {
    if (running_.empty()) return;
    const auto at = std::next(running_.begin(), static_cast<std::ptrdiff_t>(which % running_.size()));
    const std::size_t slot = at->first;
    running_.erase(at);
    session_.done(now_, slot, out_);
    perform();
  }

  // Lets time pass, with a tick at every deadline unless the worker sleeps.
  void pass(milliseconds d, bool asleep) {
    const detail::moment end = now_ + d;
    while (!asleep && !ended_ && session_.deadline() <= end) {
      now_ = std::max(now_, session_.deadline());
      session_.tick(now_, out_);
      perform();
      if (!ended_) REQUIRE(session_.deadline() > now_);
    }
    now_ = end;
  }

  void chance() {
    const std::size_t n = pick(300);
    switch (pick(24)) {
      case 0:
        if (linked_) disconnect();
        break;
      case 1:
      case 2:
        if (!linked_) connect();
        break;
      case 3: lose(); break;  // it evicts, or comes back without memory
      case 4:
      case 5:
      case 6:
      case 7: give(n % 4 + 1); break;
      case 8:
      case 9:
      case 10:
      case 11: receive_one(); break;
      case 12:
      case 13:
      case 14: master_one(); break;
      case 15:
      case 16:
      case 17: finish(n); break;
      case 18: pass(milliseconds(n), false); break;
      case 19: pass(milliseconds(10 * n), true); break;
      case 20:
      case 21:
        if (up_ && !order_.empty()) {
          const job_ref ref = order_[n % order_.size()];
          send_down(reference(n % 2 == 0 ? command::cancel : command::recall, ref.id, ref.attempt));
        }
        break;
      case 22:
        if (up_) send_down(just(command::ping));
        break;
      default:
        if (n != 0) break;
        session_.drain(now_, out_);
        perform();
    }
  }

  // Lets everything work until all is quiet.
  void settle() {
    for (int i = 0; i < 10000; ++i) {
      if (!linked_ && !ended_) connect();
      const bool quiet = down_stream_.empty() && up_stream_.empty() && running_.empty();
      if ((ended_ && running_.empty()) || (quiet && up_ && session_.registered())) return;
      receive_one();
      master_one();
      finish(0);
      pass(milliseconds(1), false);
    }
    FAIL("it never settles");
  }

  std::mt19937 random_;
  detail::session_config config_;
  detail::session session_;
  detail::actions out_;
  detail::moment now_{};

  std::shared_ptr<shared_ledger> ledger_;
  std::map<std::size_t, job_ref> running_;
  std::uint64_t last_ = 0;
  bool ended_ = false;
  bool drained_ = false;
  detail::reason why_ = detail::reason::none;

  bool linked_ = false;
  std::deque<detail::message> down_stream_;
  std::deque<to_master> up_stream_;

  bool up_ = false;
  bool grants_;
  bool draining_ = false;
  std::shared_ptr<shared_ledger> theirs_;
  std::vector<job_ref> order_;                   // sent in this registration, by number
  std::map<std::uint64_t, std::uint32_t> open_;  // not answered: attempt by id
  std::deque<std::uint64_t> pending_;
  std::map<std::uint64_t, std::uint32_t> attempts_;
  std::uint64_t ids_ = 0;
  std::set<std::uint64_t> started_;
  std::map<std::uint64_t, int> answered_;
};

}  // namespace

// POWERHOSE_SEED repeats one run, POWERHOSE_RUNS does more of them.
TEST_CASE("session: simulation") {
  const char* seed = std::getenv("POWERHOSE_SEED");
  const char* runs = std::getenv("POWERHOSE_RUNS");
  const unsigned first = seed != nullptr ? static_cast<unsigned>(std::atoi(seed)) : 1;
  const unsigned count = seed != nullptr ? 1 : runs != nullptr ? static_cast<unsigned>(std::atoi(runs)) : 300;
  for (unsigned i = first; i < first + count; ++i) {
    CAPTURE(i);
    simulation(i).run();
  }
}
