// SPDX-License-Identifier: Apache-2.0

// Has a session live through messages, time and mishaps in any order, and checks
// what it asks of its owner. Left alone after that, it must come to an end.
//
// The input: an octet with the settings, then steps, each an octet and what
// step() reads for it. tests/session_simulation_test.cpp has masters that keep to
// the protocol; this one does not.

#include "session.hpp"

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "check.hpp"
#include "wire/frames.hpp"
#include "wire/job.hpp"
#include "wire/limits.hpp"
#include "wire/property.hpp"
#include "wire/registration.hpp"

namespace {

using namespace powerhose::detail;
using std::chrono::milliseconds;

// The octets of an input, and zeros after their end.
class reader {
 public:
  reader(const unsigned char* data, std::size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}

  bool more() const { return !rest_.empty(); }
  unsigned octet() { return static_cast<std::uint8_t>(octets(1)[0]); }
  unsigned number() {
    const unsigned high = octet();
    return high << 8 | octet();
  }
  view octets(std::size_t n) {
    if (rest_.empty()) return view("\0", std::min<std::size_t>(n, 1));
    const view some = rest_.substr(0, n);
    rest_.remove_prefix(some.size());
    return some;
  }

 private:
  view rest_;
};

session_config configure(unsigned settings) {
  session_config c;
  c.services = {"", "square", "echo"};
  c.capacity = 1 + settings % 4;
  c.prefetch = settings / 4 % 4;
  c.listen = (settings & 16) != 0;
  c.patience = std::chrono::seconds(5);
  c.drain_timeout = std::chrono::seconds(30);
  return c;
}

// The session with its owner.
class owner {
 public:
  explicit owner(unsigned settings) : config_(configure(settings)), session_(now_, config_) {}

  void step(reader& in) {
    switch (in.octet() % 16) {
      case 0:
      case 1: return receive(any_message(in));
      case 2: return pass(milliseconds(in.number()), in.octet());
      case 3: now_ += milliseconds(10 * in.number()); return;  // it was stopped
      case 4: return finish(in.octet());
      case 5: linked_ = !linked_; return;
      case 6: closed_ = true; return;  // the ledger
      case 7: return drain();
      case 8: return receive(frames({""}));
      case 9: return receive(frames({greeting(in)}));
      case 10: return receive(job(in));
      case 11: return receive(reference(in));
      case 12: return receive(on_road(frames({bare(command::ping)}), in.octet()));
      case 13: return receive(frames({bare(command::bye)}));
      case 14: return receive(frames({complaint(in)}));
      default: session_.unsent(now_, actions_); return perform();
    }
  }

  // Its handlers return and nothing more is heard: then it gives up, or is done
  // draining.
  void end() {
    while (!running_.empty()) finish(0);
    for (int ticks = 0; !session_.ended(); ++ticks) {
      FUZZ_CHECK(ticks < 20000);
      tick();
    }
    FUZZ_CHECK(ended_);
  }

 private:
  // Messages.

  static message frames(const std::vector<std::string>& octets) {
    auto kept = std::make_shared<std::vector<fuzz::exact>>();
    for (const std::string& frame : octets) kept->emplace_back(frame);
    message m;
    m.count = kept->size();
    for (std::size_t i = 0; i < m.count && i < 2; ++i) m.frames[i] = (*kept)[i].get();
    m.owner = std::move(kept);
    return m;
  }

  static std::string bare(command what) {
    std::string out;
    put_header(out, role::worker, what);
    return out;
  }

  // Over the connection for jobs, or, one in four times, over the other one.
  message on_road(message m, unsigned which) const {
    if (config_.listen != (which % 4 == 3)) m.peer = "m";
    return m;
  }

  message any_message(reader& in) const {
    const unsigned how = in.octet();
    const std::size_t size = in.number();
    std::vector<std::string> octets(1 + how / 8 % 3, "payload");
    octets[0] = in.octets(size);
    return on_road(frames(octets), how % 8);
  }

  static std::string greeting(reader& in) {
    welcome w;
    w.identity = "m";
    w.heartbeat = milliseconds(1 + in.number() % 60000);
    w.liveness = 2 + in.octet() % 99;
    std::string out;
    FUZZ_CHECK(!put_welcome(out, role::worker, w));
    return out;
  }

  message job(reader& in) const {
    const unsigned how = in.octet();
    worker_job j;
    j.ref = {how % 16, 1 + how / 16 % 2};
    j.time_left = milliseconds(100 * in.octet());
    j.service = (how & 32) != 0 ? "none" : "square";
    std::string out = bare(command::job);
    FUZZ_CHECK(!put_worker_job_fields(out, j));
    return on_road(frames({out, "payload"}), how / 64);
  }

  message reference(reader& in) const {
    const unsigned how = in.octet();
    std::string out;
    put_job_ref(out, (how & 32) != 0 ? command::cancel : command::recall, {how % 16, 1 + how / 16 % 2});
    return on_road(frames({out}), how / 64);
  }

  static std::string complaint(reader& in) {
    peer_error e;
    e.octet = static_cast<std::uint8_t>(1 + in.octet() % 7);
    std::string out;
    put_error(out, role::worker, e);
    return out;
  }

  // What happens.

  void receive(const message& m) {
    session_.received(now_, m, actions_);
    perform();
  }

  void finish(unsigned which) {
    if (running_.empty()) return;
    const auto at = std::next(running_.begin(), static_cast<std::ptrdiff_t>(which % running_.size()));
    const std::size_t slot = at->first;
    touch(*at->second);
    done_ = {at->second->ref, at->second->peer};
    running_.erase(at);
    session_.done(now_, slot, actions_);
    perform();
  }

  void drain() {
    session_.drain(now_, actions_);
    draining_ = true;
    perform();
  }

  // Lets time pass, with a tick at each of the first deadlines.
  void pass(milliseconds d, unsigned ticks) {
    const moment end = now_ + d;
    for (; ticks > 0 && !session_.ended() && session_.deadline() <= end; --ticks) tick();
    now_ = std::max(now_, end);
  }

  void tick() {
    now_ = std::max(now_, session_.deadline());
    session_.tick(now_, actions_);
    perform();
    if (!session_.ended()) FUZZ_CHECK(session_.deadline() > now_);
  }

  // What it asks for.

  void perform() {
    for (std::size_t i = 0; i < actions_.size(); ++i) {
      FUZZ_CHECK(!ended_);
      const action a = actions_[i];
      perform_one(a);
    }
    actions_.clear();
    done_ = {};
    FUZZ_CHECK(session_.ended() == ended_);
    if (ended_) return;
    FUZZ_CHECK(session_.running() == running_.size());
    FUZZ_CHECK(session_.waiting() + session_.running() <= config_.capacity + config_.prefetch);
    FUZZ_CHECK(session_.waiting() == 0 || session_.registered());
    FUZZ_CHECK(session_.deadline() <= now_ + max_heartbeat);
  }

  void perform_one(const action& a) {
    switch (a.kind) {
      case act::register_:
        FUZZ_CHECK(running_.empty() && !draining_);
        last_ = 0;
        told_ = closed_ = false;
        return sent({});
      case act::up: return greeted(*a.greeting);
      case act::send: return said(a);
      case act::return_: return sent(a.peer);
      case act::start: return start(a);
      case act::cancel:
        // The ledger may have kept a job from its start that was lost meanwhile.
        FUZZ_CHECK(running_.count(a.slot) == 1 || closed_);
        return;
      case act::result: FUZZ_CHECK(a.ref == done_.first && a.peer == done_.second); return sent(a.peer);
      case act::end: ended_ = true; return;
      case act::down:
      case act::reconnect:
      case act::dropped:
      case act::complaint: return;
    }
    FUZZ_CHECK(a.kind <= act::end);  // one that there is
  }

  static void greeted(const welcome& w) {
    FUZZ_CHECK(w.heartbeat >= min_heartbeat && w.heartbeat <= max_heartbeat);
    FUZZ_CHECK(w.liveness >= min_liveness && w.liveness <= max_liveness);
  }

  void said(const action& a) {
    switch (a.what) {
      case command::drain: FUZZ_CHECK(draining_ && !std::exchange(told_, true)); break;
      case command::ping:
      case command::bye: FUZZ_CHECK(a.peer.empty()); break;
      default: FUZZ_CHECK(a.what == command::pong);
    }
    sent(a.peer);
  }

  void sent(const std::string& peer) {
    if (peer.empty() && !linked_) session_.unsent(now_, actions_);
  }

  void start(const action& a) {
    FUZZ_CHECK(a.slot < config_.capacity && running_.count(a.slot) == 0);
    FUZZ_CHECK(a.job->number > last_);
    FUZZ_CHECK(a.job->deadline > now_);
    FUZZ_CHECK(a.job->service < config_.services.size());
    FUZZ_CHECK(a.job->peer.empty() == !config_.listen);
    last_ = a.job->number;
    if (closed_) return session_.fenced(now_, a.slot, actions_);
    running_[a.slot] = a.job;
    touch(*a.job);
  }

  // Reads all octets of a job, as a handler does.
  static void touch(const job_record& job) {
    view value;
    FUZZ_CHECK(!check_headers(job.headers));
    FUZZ_CHECK(!find_header(job.headers, "", value));  // no header is without a name
    const fuzz::exact copy(job.payload);
    FUZZ_CHECK(copy.get() == job.payload);
  }

  moment now_{};
  session_config config_;
  session session_;
  actions actions_;
  std::map<std::size_t, const job_record*> running_;
  std::pair<job_ref, std::string> done_;  // whose RESULT may come
  std::uint64_t last_ = 0;                // the number of the job that was started last
  bool linked_ = true;
  bool closed_ = false;
  bool draining_ = false;
  bool told_ = false;
  bool ended_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  reader in(data, size);
  owner o(in.octet());
  while (in.more()) o.step(in);
  o.end();
  return 0;
}
