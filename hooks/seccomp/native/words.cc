// The words of an event, walked piece by piece without being built. Mirrors model/word.ts line by line: the
// same claims in the same order, so the same rule decides.
#include "table.h"

#include <cinttypes>
#include <cstdio>
#include <initializer_list>

namespace portcullis {
namespace {

constexpr uint32_t kMagic = 0x46444350;
constexpr uint32_t kVersion = 1;
constexpr size_t kHeaderBytes = 24;

constexpr std::string_view kNames[] = {"read",     "write", "create", "delete",  "rename", "link", "chmod", "chown",
                                       "truncate", "mkdir", "exec",   "connect", "bind",   "send", "signal"};
static_assert(std::size(kNames) == static_cast<size_t>(Op::kCount));

constexpr std::string_view kProtocols[] = {"tcp", "udp", "netlink", "other"};

// Walks claims one after the other and keeps the strongest decision.
class Judge {
 public:
  Judge(const Table& table, const Event& event) : table_(table), event_(event) {}

  // One claim: `op` on the object whose parts are given, separated by NUL.
  void claim(Op op, std::initializer_list<std::string_view> parts) {
    Table::State state = table_.walk(table_.start(), kNames[static_cast<size_t>(op)]);
    state = table_.walk(table_.step(state, 0), event_.exe);
    for (const std::string_view part : parts) state = table_.walk(table_.step(state, 0), part);
    const Decision found = table_.label(state);
    if (!any_ || found.effect > best_.effect) best_ = found;
    any_ = true;
  }

  void claims(std::initializer_list<Op> ops, std::string_view path) {
    for (const Op op : ops) claim(op, {path});
  }

  Decision best() const { return best_; }

 private:
  const Table& table_;
  const Event& event_;
  bool any_ = false;
  Decision best_{Effect::kDeny, kNoRule};
};

// Arguments as the word has them: separated, not ended, by NUL.
std::string_view separated(const std::string& argv) {
  std::string_view out = argv;
  if (!out.empty() && out.back() == 0) out.remove_suffix(1);
  return out;
}

void judge_program(Judge& judge, Op op, const std::string& path, const std::string& argv) {
  if (argv.empty())
    judge.claim(op, {path});
  else
    judge.claim(op, {path, separated(argv)});
}

void judge_address(Judge& judge, Op op, const Event& event) {
  char hex[33];
  for (int i = 0; i < 16; i++) snprintf(hex + 2 * i, 3, "%02x", event.address[i]);
  char port[8];
  snprintf(port, sizeof port, "%u", event.port);
  const std::string_view protocol = kProtocols[event.protocol < 4 ? event.protocol : 3];
  judge.claim(op, {protocol, std::string_view(hex, 32), port, std::string_view()});
}

uint32_t word_at(const uint8_t* bytes, size_t offset) {
  uint32_t value;
  memcpy(&value, bytes + offset, sizeof value);
  return value;
}

}  // namespace

Decision decide(const Table& table, const Event& event) {
  Judge judge(table, event);
  const auto each_operation = [&](auto&& on) {
    on(event.op);
    for (int i = 0; i < static_cast<int>(Op::kCount); i++)
      if (event.also & (1u << i)) on(static_cast<Op>(i));
  };
  if (event.is_program) {
    judge_program(judge, event.op, event.path, event.argv);
    if (!event.interpreter.empty()) judge_program(judge, event.op, event.interpreter, event.interpreter_argv);
  } else if (event.is_address) {
    each_operation([&](Op op) { judge_address(judge, op, event); });
  } else if (event.is_unix) {
    if (event.op == Op::kBind && event.path.compare(0, 1, "@") != 0) {
      judge.claim(Op::kBind, {"unix", event.path});
      judge.claim(Op::kCreate, {event.path});
    } else {
      each_operation([&](Op op) { judge.claim(op, {"unix", event.path}); });
    }
  } else if (event.is_process) {
    each_operation([&](Op op) { judge.claim(op, {event.path}); });
  } else if (event.op == Op::kRename && event.has_to) {
    judge.claims({Op::kRename, Op::kDelete, Op::kRead, Op::kWrite}, event.path);
    judge.claims({Op::kRename, Op::kCreate, Op::kWrite}, event.to);
  } else if (event.op == Op::kLink && event.has_to) {
    judge.claims({Op::kLink, Op::kRead, Op::kWrite}, event.path);
    judge.claims({Op::kLink, Op::kCreate, Op::kWrite}, event.to);
  } else if (event.op == Op::kLink) {
    judge.claims({Op::kLink, Op::kCreate}, event.path);
  } else {
    each_operation([&](Op op) { judge.claim(op, {event.path}); });
  }
  return judge.best();
}

bool Table::parse(const uint8_t* bytes, size_t size, Table& out, std::string& error) {
  const auto bad = [&](const char* what) {
    error = std::string("the policy table is damaged: ") + what;
    return false;
  };
  if (size < kHeaderBytes + 256 || word_at(bytes, 0) != kMagic) return bad("not a table");
  if (word_at(bytes, 4) != kVersion) return bad("another version");
  const uint64_t states = word_at(bytes, 8), classes = word_at(bytes, 12), start = word_at(bytes, 16);
  if (states == 0 || states > 65535 || classes == 0 || classes > 256 || start >= states) return bad("sizes");
  const size_t labels_at = kHeaderBytes + 256, next_at = labels_at + states * 4;
  if (size < next_at + states * classes * 2) return bad("too short");
  out.start_ = static_cast<uint32_t>(start);
  out.classes_ = static_cast<uint32_t>(classes);
  memcpy(out.class_of_, bytes + kHeaderBytes, 256);
  for (const uint8_t column : out.class_of_)
    if (column >= classes) return bad("a byte class without a column");
  out.labels_.resize(states);
  memcpy(out.labels_.data(), bytes + labels_at, states * 4);
  for (const uint32_t label : out.labels_)
    if ((label & 3) > 2) return bad("an unknown effect");
  out.next_.resize(states * classes);
  memcpy(out.next_.data(), bytes + next_at, states * classes * 2);
  for (const uint16_t state : out.next_)
    if (state >= states) return bad("a transition to nowhere");
  return true;
}

}  // namespace portcullis
