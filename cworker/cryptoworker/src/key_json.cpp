// SPDX-License-Identifier: Apache-2.0

// The form is so narrow that it needs no JSON library, and so means the same to
// every program: one object, its values texts without escapes.

#include <map>

#include "dsa.hpp"
#include "failure.hpp"
#include "key_file.hpp"

namespace powerhose::crypto {

namespace {

using CryptoPP::Integer;
using members = std::map<std::string_view, std::string_view>;

class reader {
 public:
  explicit reader(std::string_view text) : rest_(trimmed(text)) {}

  bool at_end() const { return rest_.empty(); }

  // Skips a character with the blanks around it, if it is there.
  bool accept(char c) {
    if (rest_.empty() || rest_[0] != c) return false;
    rest_ = trimmed(rest_.substr(1));  // nothing but blanks can be at its end
    return true;
  }

  void expect(char c) {
    if (!accept(c)) fail();
  }

  std::string_view text() {
    if (rest_.empty() || rest_[0] != '"') fail();
    const std::size_t end = rest_.find('"', 1);
    if (end == rest_.npos) fail();
    const std::string_view out = rest_.substr(1, end - 1);
    constexpr std::string_view allowed = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    if (out.find_first_not_of(allowed) != out.npos) fail();
    rest_ = trimmed(rest_.substr(end + 1));
    return out;
  }

  [[noreturn]] static void fail() {
    throw bad_key("not one JSON object whose values are all texts without escapes");
  }

 private:
  std::string_view rest_;
};

members read_members(std::string_view content) {
  reader in(content);
  members out;
  in.expect('{');
  do {
    const std::string_view name = in.text();
    in.expect(':');
    const std::string_view value = in.text();
    constexpr std::string_view one_letter = "pqgyx";
    if (name != "algorithm" && (name.size() != 1 || one_letter.find(name) == one_letter.npos))
      throw bad_key("there is a member besides algorithm, p, q, g, y and x");
    if (!out.emplace(name, value).second) throw bad_key(std::string(name) + " is there twice");
  } while (in.accept(','));
  in.expect('}');
  if (!in.at_end()) reader::fail();
  return out;
}

Integer number(const members& m, std::string_view name) {
  const auto at = m.find(name);
  if (at == m.end()) throw bad_key("there is no " + std::string(name));
  return integer_of_hex(at->second);
}

const dsa_group& group_of(const members& m) {
  const Integer p = number(m, "p");
  const Integer q = number(m, "q");
  const Integer g = number(m, "g");
  for (const dsa_group* group : {&ds128(), &ds256()}) {
    if (p == group->p && q == group->q && g == group->g) return *group;
  }
  throw bad_key("p, q and g are not a group of BrowserID");
}

}  // namespace

named_key parse_dsa(std::string_view content) {
  const members m = read_members(content);
  const auto algorithm = m.find("algorithm");
  if (algorithm == m.end() || algorithm->second != "DS") throw bad_key("algorithm is not DS");
  const dsa_group& group = group_of(m);
  const Integer y = number(m, "y");
  named_key key(key_type::dsa, group.algorithm);
  key.to_verify = dsa_public(group, y);
  if (m.count("x") == 0) return key;
  const Integer x = number(m, "x");
  key.to_sign = dsa_private(group, x);
  if (dsa_y(group, x) != y) throw bad_key("y does not belong to x");
  return key;
}

}  // namespace powerhose::crypto
