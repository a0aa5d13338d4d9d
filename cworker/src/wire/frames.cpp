// SPDX-License-Identifier: Apache-2.0

#include "wire/frames.hpp"

#include "wire/limits.hpp"

namespace powerhose::detail {

namespace {

constexpr view magic = "PHZ";

bool is_continuation(char c) { return (static_cast<std::uint8_t>(c) & 0xc0) == 0x80; }

// The length of the UTF-8 character that text begins with, 0 if it is none.
std::size_t character(view text) {
  const auto first = static_cast<std::uint8_t>(text[0]);
  std::size_t size = 0;
  std::uint32_t value = 0;
  if (first < 0x80) return 1;
  if ((first & 0xe0) == 0xc0) size = 2, value = first & 0x1fu;
  if ((first & 0xf0) == 0xe0) size = 3, value = first & 0x0fu;
  if ((first & 0xf8) == 0xf0) size = 4, value = first & 0x07u;
  if (size == 0 || text.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if (!is_continuation(text[i])) return 0;
    value = value << 6 | (static_cast<std::uint8_t>(text[i]) & 0x3fu);
  }
  constexpr std::uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = value >= 0xd800 && value <= 0xdfff;
  return value < least[size] || surrogate || value > 0x10ffff ? 0 : size;
}

// Cuts a text so that no character is halved.
view cut_text(view text) {
  if (text.size() <= max_error_text) return text;
  std::size_t end = max_error_text;
  while (end > max_error_text - 4 && is_continuation(text[end])) --end;
  return text.substr(0, end);
}

}  // namespace

const char* name_of(command what) noexcept {
  constexpr const char* names[] = {"?",      "REGISTER", "WELCOME", "JOB",   "RESULT",
                                   "CANCEL", "PING",     "PONG",    "DRAIN", "BYE",
                                   "RECALL", "RETURN",   "STATUS",  "ERROR", "BATCH"};
  const auto i = static_cast<std::size_t>(what);
  return i < sizeof names / sizeof *names ? names[i] : "?";
}

const char* name_of(error_code what) noexcept {
  switch (what) {
    case error_code::unregistered: return "unregistered";
    case error_code::version: return "unsupported version";
    case error_code::unknown_command: return "unknown command";
    case error_code::too_large: return "too large";
    case error_code::wrong_role: return "wrong role";
    case error_code::refused: break;
  }
  return "refused";
}

flaw parse_header(view frame, header& out) {
  if (frame.size() < header_size) return malformed("header: shorter than 6 octets");
  if (frame.substr(0, magic.size()) != magic) return malformed("header: does not begin with PHZ");
  if (static_cast<std::uint8_t>(frame[3]) != wire_version) return {fault::version, "header: another version"};
  out.who = static_cast<role>(frame[4]);
  out.what = static_cast<command>(frame[5]);
  out.fields = frame.substr(header_size);
  if (out.who != role::worker && out.who != role::runner) return malformed("header: role is neither W nor R");
  return sound;
}

std::size_t frames_of(role who, command what, direction where) noexcept {
  const bool worker = who == role::worker;
  const bool to_master = where == direction::to_master;
  const auto one_if = [](bool legal) -> std::size_t { return legal ? 1 : 0; };
  const auto two_if = [](bool legal) -> std::size_t { return legal ? 2 : 0; };
  switch (what) {
    case command::ping:
    case command::pong:
    case command::batch: return 1;
    case command::register_: return one_if(to_master);
    case command::welcome:
    case command::error: return one_if(!to_master);
    case command::job: return two_if(worker != to_master);
    case command::result: return two_if(worker == to_master);
    case command::cancel: return one_if(worker != to_master);
    case command::drain: return one_if(worker == to_master);
    case command::bye: return one_if(worker || to_master);
    case command::recall: return one_if(worker && !to_master);
    case command::return_: return one_if(worker && to_master);
    case command::status: return worker ? 0 : to_master ? 1 : 2;
  }
  return 0;
}

flaw check_envelope(role mine, direction where, view first_frame, std::size_t frames, header& out) {
  if (const flaw bad = parse_header(first_frame, out)) return bad;
  const bool any_role = where == direction::from_master && out.what == command::error;
  if (out.who != mine && !any_role) return {fault::wrong_role, "header: the other conversation's role"};
  const std::size_t wanted = frames_of(out.who, out.what, where);
  if (wanted == 0) return {fault::unknown_command, "header: no such command in this direction"};
  if (wanted != frames) return malformed("message: a wrong number of frames");
  return sound;
}

void put_header(std::string& out, role who, command what) {
  out.append(magic);
  put(out, wire_version);
  put(out, static_cast<std::uint8_t>(who));
  put(out, static_cast<std::uint8_t>(what));
}

flaw parse_nothing(view fields) {
  return fields.empty() ? sound : malformed("message: octets after the last field");
}

flaw parse_error(view fields, peer_error& out) {
  if (fields.size() < 3) return malformed("ERROR: cut short");
  const std::size_t size = get<std::uint16_t>(fields, 1);
  if (fields.size() != 3 + size) return malformed("ERROR: text-len is not what follows");
  out.octet = get<std::uint8_t>(fields);
  if (out.octet == 0) return malformed("ERROR: code 0");
  if (size > max_error_text) return too_large("the text of an ERROR has more than 4096 octets");
  const auto last = static_cast<std::uint8_t>(error_code::wrong_role);
  out.code = out.octet <= last ? static_cast<error_code>(out.octet) : error_code::refused;
  out.text = fields.substr(3);
  return sound;
}

void put_error(std::string& out, role who, const peer_error& what) {
  const view text = cut_text(what.text);
  put_header(out, who, command::error);
  put(out, what.octet != 0 ? what.octet : static_cast<std::uint8_t>(what.code));
  put(out, static_cast<std::uint16_t>(text.size()));
  out.append(text);
}

std::string tidy_text(view text) {
  std::string out;
  text = cut_text(text);
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t size = character(text);
    if (size == 0) {
      out.push_back('?');  // never longer than what it stands for
      text.remove_prefix(1);
    } else {
      out.append(text.substr(0, size));
      text.remove_prefix(size);
    }
  }
  return out;
}

}  // namespace powerhose::detail
