// SPDX-License-Identifier: Apache-2.0

// A worker with a handler object: it squares numbers, and throws for what is
// none. Two processes of it, in one program:
//
//     square-worker 2

#include <cstdio>
#include <cstdlib>
#include <powerhose/spawn.hpp>
#include <powerhose/worker.hpp>
#include <stdexcept>

class square : public powerhose::handler {
 public:
  std::string handle(const powerhose::job& job) override {
    std::size_t read = 0;
    const std::string text(job.payload());
    const long long number = std::stoll(text, &read);
    if (read != text.size() || std::llabs(number) > 3'000'000'000)
      throw std::out_of_range("not a number I can square");
    return std::to_string(number * number);
  }
};

int work() {
  powerhose::worker w;
  w.on("square", std::make_shared<square>());
  return w.run();
}

int main(int argc, char** argv) try {
  const int processes = argc > 1 ? std::atoi(argv[1]) : 1;
  return powerhose::spawn(static_cast<unsigned>(processes), work);
} catch (const powerhose::error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
