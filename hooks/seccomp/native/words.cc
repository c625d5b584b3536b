// The words of an event, walked piece by piece without being built. Mirrors model/word.ts line by line: the
// same claims in the same order, so the same rule decides.
#include "table.h"

#include <cstdio>
#include <initializer_list>

namespace portcullis {
namespace {

constexpr uint32_t kMagic = 0x46444350;
constexpr uint32_t kAlone = 1, kOneOfSeveral = 2;  // versions
constexpr size_t kMostAutomata = 32;
constexpr size_t kHeaderBytes = 24;

constexpr std::string_view kNames[] = {"read",     "write", "create", "delete",  "rename", "link", "chmod", "chown",
                                       "truncate", "mkdir", "exec",   "connect", "bind",   "send", "signal"};
static_assert(std::size(kNames) == static_cast<size_t>(Op::kCount));

constexpr std::string_view kProtocols[] = {"tcp", "udp", "netlink", "other"};

// Walks claims one after the other and keeps the strongest decision.
class Judge {
 public:
  Judge(const Table& table, const Event& event) : table_(table), event_(event) {}

  // One claim: `op` on the object whose parts are given.
  void claim(Op op, std::initializer_list<std::string_view> object) {
    std::string_view parts[kMostParts] = {kNames[static_cast<size_t>(op)], event_.exe};
    size_t count = 2;
    for (const std::string_view part : object) parts[count++] = part;
    const Decision found = table_.judge(parts, count);
    if (!any_ || found.effect > best_.effect) best_ = found;
    any_ = true;
  }

  void claims(std::initializer_list<Op> ops, std::string_view path) {
    for (const Op op : ops) claim(op, {path});
  }

  Decision best() const { return best_; }

 private:
  static constexpr size_t kMostParts = 6;
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
  constexpr char kDigits[] = "0123456789abcdef";
  char hex[32];
  for (int i = 0; i < 16; i++) {
    hex[2 * i] = kDigits[event.address[i] >> 4];
    hex[2 * i + 1] = kDigits[event.address[i] & 15];
  }
  char port[8];
  snprintf(port, sizeof port, "%u", event.port);
  const std::string_view protocol = kProtocols[event.protocol < 4 ? event.protocol : 3];
  judge.claim(op, {protocol, std::string_view(hex, sizeof hex), port, std::string_view()});
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

Decision Table::judge(const std::string_view* parts, size_t count) const {
  Decision best{Effect::kDeny, kNoRule};
  bool any = false;
  for (const Automaton& automaton : automata_) {
    Automaton::State state = automaton.walk(automaton.start(), parts[0]);
    for (size_t i = 1; i < count; i++) state = automaton.walk(automaton.step(state, 0), parts[i]);
    const Decision found = automaton.label(state);
    // A rule beats the default; then the stronger effect; then the earlier rule.
    const bool better = (best.rule == kNoRule) != (found.rule == kNoRule) ? best.rule == kNoRule
                        : best.effect != found.effect                     ? found.effect > best.effect
                                                                          : found.rule < best.rule;
    if (!any || better) best = found;
    any = true;
  }
  return best;
}

bool Table::parse(const uint8_t* bytes, size_t size, Table& out, std::string& error) {
  const auto bad = [&](const char* what) {
    error = std::string("the policy table is damaged: ") + what;
    return false;
  };
  size_t at = 0;
  Table table;
  do {
    const uint8_t* here = bytes + at;
    const size_t left = size - at;
    if (left < kHeaderBytes + 256 || word_at(here, 0) != kMagic) return bad("not a table");
    const uint32_t version = word_at(here, 4);
    if (version != kAlone && version != kOneOfSeveral) return bad("another version");
    const uint64_t states = word_at(here, 8), classes = word_at(here, 12), start = word_at(here, 16);
    const uint32_t rules = word_at(here, 20);
    if (states == 0 || states > 65535 || classes == 0 || classes > 256 || start >= states) return bad("sizes");
    const size_t labels_at = kHeaderBytes + 256, next_at = labels_at + states * 4;
    const size_t bytes_here = next_at + (states * classes * 2 + 3) / 4 * 4;
    if (left < bytes_here) return bad("too short");
    if (version == kAlone && left != bytes_here) return bad("bytes after its end");
    if (table.automata_.size() == kMostAutomata) return bad("too many automata");
    Automaton automaton;
    automaton.start_ = static_cast<uint32_t>(start);
    automaton.classes_ = static_cast<uint32_t>(classes);
    memcpy(automaton.class_of_, here + kHeaderBytes, 256);
    for (const uint8_t column : automaton.class_of_)
      if (column >= classes) return bad("a byte class without a column");
    automaton.labels_.resize(states);
    memcpy(automaton.labels_.data(), here + labels_at, states * 4);
    for (const uint32_t label : automaton.labels_)
      if ((label & 3) > 2 || ((label >> 2) >= rules && (label >> 2) != kNoRule)) return bad("an unknown effect or rule");
    automaton.next_.resize(states * classes);
    memcpy(automaton.next_.data(), here + next_at, states * classes * 2);
    for (const uint16_t state : automaton.next_)
      if (state >= states) return bad("a transition to nowhere");
    table.automata_.push_back(std::move(automaton));
    at += bytes_here;
  } while (at < size);
  out = std::move(table);
  return true;
}

}  // namespace portcullis
