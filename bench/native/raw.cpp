// SPDX-License-Identifier: Apache-2.0

// The limit: what libzmq itself can do, in C++ and without a protocol.
//
//   raw worker ENDPOINT            connects a DEALER and sends back what comes
//   raw broker FRONTEND BACKEND    the smallest ROUTER-ROUTER broker there is
//   raw direct ENDPOINT WORKERS CALLERS BYTES WARM_MS MEASURE_MS
//                                  binds a ROUTER, waits for that many workers,
//                                  and keeps CALLERS jobs with them
//   raw client ENDPOINT CALLERS BYTES WARM_MS MEASURE_MS
//                                  connects a DEALER to a broker and does the same

#include <zmq.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "meter.hpp"

namespace {

void check(int rc, const char* what) {
  if (rc < 0) {
    std::fprintf(stderr, "raw: %s: %s\n", what, zmq_strerror(zmq_errno()));
    std::exit(1);
  }
}

// frame owns one zmq message part.
struct frame {
  zmq_msg_t msg;
  frame() { zmq_msg_init(&msg); }
  ~frame() { zmq_msg_close(&msg); }
  frame(const frame&) = delete;
  frame& operator=(const frame&) = delete;

  bool recv(void* socket, int flags = 0) {
    const int rc = zmq_msg_recv(&msg, socket, flags);
    if (rc < 0 && zmq_errno() == EAGAIN) return false;
    check(rc, "receive");
    return true;
  }
  void send(void* socket, int flags) { check(zmq_msg_send(&msg, socket, flags), "send"); }
  bool more() const { return zmq_msg_more(&msg) != 0; }
  const void* data() { return zmq_msg_data(&msg); }
  std::size_t size() const { return zmq_msg_size(&msg); }
  std::string str() { return {static_cast<const char*>(data()), size()}; }
};

void* open(void* context, int type) {
  void* socket = zmq_socket(context, type);
  if (!socket) check(-1, "socket");
  const int zero = 0, queue = 16384;
  zmq_setsockopt(socket, ZMQ_LINGER, &zero, sizeof zero);
  zmq_setsockopt(socket, ZMQ_SNDHWM, &queue, sizeof queue);
  zmq_setsockopt(socket, ZMQ_RCVHWM, &queue, sizeof queue);
  return socket;
}

// relay sends the whole message that begins with what is in first.
void relay(void* from, void* to, frame& first) {
  for (;;) {
    const bool more = first.more();
    first.send(to, more ? ZMQ_SNDMORE : 0);
    if (!more) return;
    first.recv(from);
  }
}

int worker(void* context, const char* endpoint) {
  void* socket = open(context, ZMQ_DEALER);
  check(zmq_connect(socket, endpoint), "connect");
  check(zmq_send(socket, "", 0, 0), "send");  // hello: whose connection this is
  for (;;) {
    frame f;
    f.recv(socket);
    relay(socket, socket, f);
  }
}

// broker gives each job to the worker whose turn it is: id of the runner's
// connection, then the job. There is no load balancing and no bookkeeping.
int broker(void* context, const char* frontend, const char* backend) {
  void* front = open(context, ZMQ_ROUTER);
  void* back = open(context, ZMQ_ROUTER);
  check(zmq_bind(front, frontend), "bind the frontend");
  check(zmq_bind(back, backend), "bind the backend");
  std::vector<std::string> workers;
  std::size_t turn = 0;
  zmq_pollitem_t items[] = {{back, 0, ZMQ_POLLIN, 0}, {front, 0, ZMQ_POLLIN, 0}};
  for (;;) {
    check(zmq_poll(items, workers.empty() ? 1 : 2, -1), "poll");
    for (;;) {  // id of the worker, id of the runner, payload
      frame id, rest;
      if (!id.recv(back, ZMQ_DONTWAIT)) break;
      rest.recv(back);
      if (!rest.more()) {
        workers.push_back(id.str());
        continue;
      }
      relay(back, front, rest);
    }
    while (!workers.empty()) {
      frame id;
      if (!id.recv(front, ZMQ_DONTWAIT)) break;
      const std::string& to = workers[turn++ % workers.size()];
      check(zmq_send(back, to.data(), to.size(), ZMQ_SNDMORE), "send");
      relay(front, back, id);
    }
  }
}

struct load {
  std::uint32_t callers;
  std::size_t bytes;
  long warm_ms, measure_ms;
};

load read_load(char** argv) {
  load l{static_cast<std::uint32_t>(number(argv[0])), static_cast<std::size_t>(number(argv[1])),
         number(argv[2]), number(argv[3])};
  if (l.callers < 1 || l.callers > 16384 || l.bytes < sizeof l.callers) {
    std::fprintf(stderr, "raw: 1 to 16384 callers, at least %zu bytes\n", sizeof l.callers);
    std::exit(2);
  }
  return l;
}

// run keeps one job of each caller on its way. The payload begins with the
// caller's number. workers are the ids to address in turn; none: a DEALER.
void run(void* socket, const std::vector<std::string>& workers, const load& l) {
  std::string payload(l.bytes, 'x');
  std::vector<meter::clock::time_point> started(l.callers);
  meter m(l.warm_ms, l.measure_ms);
  const auto submit = [&](std::uint32_t caller) {
    if (!workers.empty()) {
      const std::string& to = workers[caller % workers.size()];
      check(zmq_send(socket, to.data(), to.size(), ZMQ_SNDMORE), "send");
    }
    std::memcpy(payload.data(), &caller, sizeof caller);
    check(zmq_send(socket, payload.data(), payload.size(), 0), "send");
  };
  for (std::uint32_t caller = 0; caller < l.callers; caller++) {
    started[caller] = meter::clock::now();
    submit(caller);
  }
  while (!m.over()) {
    frame f;
    f.recv(socket);
    if (!workers.empty()) f.recv(socket);  // the first was the worker's id
    std::uint32_t caller = 0;
    if (f.size() != l.bytes) {
      std::fprintf(stderr, "raw: a result of %zu bytes\n", f.size());
      std::exit(1);
    }
    std::memcpy(&caller, f.data(), sizeof caller);
    started[caller] = m.done(started[caller]);
    submit(caller);
  }
  m.report();
}

int direct(void* context, const char* endpoint, long count, const load& l) {
  void* socket = open(context, ZMQ_ROUTER);
  check(zmq_bind(socket, endpoint), "bind");
  std::vector<std::string> workers;
  while (workers.size() < static_cast<std::size_t>(count)) {
    frame id, hello;
    id.recv(socket);
    hello.recv(socket);
    workers.push_back(id.str());
  }
  run(socket, workers, l);
  zmq_close(socket);
  return zmq_ctx_term(context);
}

int client(void* context, const char* endpoint, const load& l) {
  void* socket = open(context, ZMQ_DEALER);
  check(zmq_connect(socket, endpoint), "connect");
  run(socket, {}, l);
  zmq_close(socket);
  return zmq_ctx_term(context);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  void* context = zmq_ctx_new();
  if (mode == "worker" && argc == 3) return worker(context, argv[2]);
  if (mode == "broker" && argc == 4) return broker(context, argv[2], argv[3]);
  if (mode == "direct" && argc == 8) return direct(context, argv[2], number(argv[3]), read_load(argv + 4));
  if (mode == "client" && argc == 7) return client(context, argv[2], read_load(argv + 3));
  std::fprintf(stderr,
               "usage: raw worker ENDPOINT | broker FRONTEND BACKEND |\n"
               "  direct ENDPOINT WORKERS CALLERS BYTES WARM_MS MEASURE_MS |\n"
               "  client ENDPOINT CALLERS BYTES WARM_MS MEASURE_MS\n");
  return 2;
}
