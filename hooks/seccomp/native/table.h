// The compiled policy as native code sees it: the buffer of model/policy/table.ts, checked once, then walked
// without checks. The check makes every later read in bounds: all transitions lead to states, all classes have
// a column, the start is a state.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "gate.h"

namespace portcullis {

// One labelled automaton.
class Automaton {
 public:
  using State = uint32_t;

  State start() const { return start_; }
  State step(State state, uint8_t byte) const { return next_[state * classes_ + class_of_[byte]]; }
  State walk(State state, std::string_view bytes) const {
    for (const char byte : bytes) state = step(state, static_cast<uint8_t>(byte));
    return state;
  }
  Decision label(State state) const {
    return {static_cast<Effect>(labels_[state] & 3), labels_[state] >> 2};
  }

 private:
  friend class Table;
  State start_ = 0;
  uint32_t classes_ = 0;
  uint8_t class_of_[256] = {};
  std::vector<uint32_t> labels_;
  std::vector<uint16_t> next_;
};

// One automaton, or several that each read the whole word.
class Table {
 public:
  // Copies and checks `bytes`. False with a sentence in `error` when they are not a table.
  static bool parse(const uint8_t* bytes, size_t size, Table& out, std::string& error);

  // The decision for the word `parts` joined by NUL.
  Decision judge(const std::string_view* parts, size_t count) const;

 private:
  std::vector<Automaton> automata_;
};

// The strongest effect over the words of `event` (model/word.ts), with the rule of the first word that has it.
Decision decide(const Table& table, const Event& event);

}  // namespace portcullis
