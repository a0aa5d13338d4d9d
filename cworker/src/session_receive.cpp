// SPDX-License-Identifier: Apache-2.0

// The part of session that is about jobs.

#include <utility>

#include "session.hpp"
#include "wire/batch.hpp"
#include "wire/limits.hpp"

namespace powerhose::detail {

// What comes without a registration, or on the other connection, is of the past
//
bool session::takes_jobs(const message& m) const {
  return registered() && !fence_ && config_.listen == !m.peer.empty();
}

flaw session::on_job(view fields, view payload, const message& m) {
  worker_job sent;
  if (const flaw bad = parse_worker_job(fields, sent)) return bad;
  if (!takes_jobs(m)) {
    emit_text(act::dropped, "JOB without a registration");
    return sound;
  }
  ++jobs_.received;
  job_record job;
  job.ref = sent.ref;
  job.deadline = later(now_, sent.time_left);
  job.number = jobs_.received;
  job.headers = sent.headers;
  job.payload = payload;
  job.owner = m.owner;
  job.peer = m.peer;
  const auto service = services_.find(sent.service);
  if (service == services_.end()) {
    give_back(job);
    return sound;
  }
  job.service = service->second;
  if (jobs_.waiting() == 0 && jobs_.has_free_slot()) {
    start(std::move(job));
  } else if (jobs_.has_room()) {
    jobs_.push(std::move(job));
  } else {
    give_back(job);
  }
  return sound;
}

void session::on_batch(const header& head, const message& m) {
  batch_reader records(head.fields);
  batch_record r;
  while (records.next(r)) {
    if (r.what != command::job)
      return broken(command::batch, "BATCH from the master with something else than JOB");
    // A record that is flawed ends the batch.
    if (const flaw bad = on_job(r.fields, r.payload, m)) return broken(command::batch, bad.text);
  }
  if (const flaw bad = records.bad()) broken(command::batch, bad.text);
}

// Drops a malformed message. The master counts every job that it sends,
// and a claim that is too low would say of a job that it has not started which
// has: so as many are counted as the message can have held. Too high is safe.
void session::broken(command what, const char* text) {
  if (what == command::job) jobs_.received += 1;
  if (what == command::batch) jobs_.received += max_batch;
  emit_text(act::dropped, text);
}

// CANCEL and RECALL: a job that has not started is given back, one
// that has is cancelled, or left alone if it was only recalled.
void session::call_back(const job_ref& ref, bool cancel, const std::string& peer) {
  if (jobs_.take(ref)) {
    action& a = emit(act::return_);
    a.ref = ref;
    a.peer = peer;
    return;
  }
  const std::size_t slot = jobs_.slot_of(ref);
  if (!cancel || slot == jobs_.slots()) return;
  action& a = emit(act::cancel);
  a.slot = slot;
  a.why = reason::cancelled;
}

// Starts what waits while there is room, in the order received.
void session::start_next() {
  while (jobs_.waiting() > 0 && jobs_.has_free_slot()) start(jobs_.pop());
}

// Starts a job, or gives it back if its time is over.
void session::start(job_record&& job) {
  if (job.deadline <= now_) return give_back(job);
  action& a = emit(act::start);
  a.slot = jobs_.occupy(std::move(job));
  a.job = &jobs_.at(a.slot).job;
}

void session::give_back(const job_record& job) {
  action& a = emit(act::return_);
  a.ref = job.ref;
  a.peer = job.peer;
}

// Does what waited for the last handler to return.
void session::emptied() {
  if (jobs_.running() > 0) return;
  is_stuck_ = false;
  if (draining_ && (state_ == state::connecting || state_ == state::evicted)) {
    end(reason::drained);
  } else if (state_ == state::evicted) {
    begin_registration();
  }
}

}  // namespace powerhose::detail
