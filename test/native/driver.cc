// Gives the tests the matcher and the journal without a run around them.
//
//   driver decide TABLE          events on stdin → a line "effect rule" for each
//   driver journal RING BYTES    events on stdin → every record of the ring on stdout, drained as it fills
//   driver flood RING BYTES      threads append and one drains until it is killed; "ready" on stdout at the start
//   driver fill RING BYTES       appends until the ring is full and leaves it so; the number appended on stdout
//
// An event on stdin: u32 op, also, flags (1 has_to, 2 program, 4 address, 8 unix, 16 process), protocol, port,
// target; 16 bytes of address; then exe, path, to, argv, interpreter and its argv, each u32 length and bytes.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <thread>
#include <vector>

#include "journal.h"
#include "table.h"

using namespace portcullis;

namespace {

[[noreturn]] void die(const std::string& what) {
  fprintf(stderr, "%s\n", what.c_str());
  exit(2);
}

bool take(void* to, size_t bytes) { return fread(to, 1, bytes, stdin) == bytes; }

std::string take_text() {
  uint32_t length = 0;
  if (!take(&length, 4)) die("events end early");
  std::string text(length, 0);
  if (!take(text.data(), length)) die("events end early");
  return text;
}

bool take_event(Event& event) {
  uint32_t head[6];
  if (!take(head, sizeof head)) return false;
  if (!take(event.address, 16)) die("events end early");
  event.op = static_cast<Op>(head[0]);
  event.also = static_cast<uint16_t>(head[1]);
  event.has_to = head[2] & 1;
  event.is_program = head[2] & 2;
  event.is_address = head[2] & 4;
  event.is_unix = head[2] & 8;
  event.is_process = head[2] & 16;
  event.protocol = static_cast<uint8_t>(head[3]);
  event.port = static_cast<uint16_t>(head[4]);
  event.target = static_cast<pid_t>(head[5]);
  for (std::string* text : {&event.exe, &event.path, &event.to, &event.argv, &event.interpreter, &event.interpreter_argv})
    *text = take_text();
  return true;
}

RecordHeader decided() {
  RecordHeader header{};
  header.kind = Kind::kDecided;
  header.layer = Layer::kPolicy;
  header.pid = 42;
  header.rule = kNoRule;
  header.enforced = 1;
  return header;
}

void decide_all(const char* file) {
  std::ifstream in(file, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  Table table;
  std::string error;
  if (!Table::parse(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), table, error)) die(error);
  Event event;
  while (take_event(event)) {
    const Decision found = decide(table, event);
    printf("%u %u\n", static_cast<unsigned>(found.effect), found.rule);
  }
}

void drain(Journal& journal, bool print) {
  const std::string records = journal.unread_bytes();
  if (print) fwrite(records.data(), 1, records.size(), stdout);
  journal.consumed(records.size());
}

void journal_all(Journal& journal) {
  Event event;
  while (take_event(event)) {
    RecordHeader header = decided();
    for (int attempt = 0; journal.append(header, event, {}) != Journal::kOk; attempt++) {
      if (attempt == 1) die("a record does not fit into an empty ring");
      drain(journal, true);
    }
  }
  drain(journal, true);
}

Event sample(size_t i) {
  Event event;
  event.op = Op::kWrite;
  event.exe = "/usr/bin/cat";
  event.path = "/tmp/" + std::string(i % 300, 'x');
  return event;
}

void flood(Journal& journal) {
  std::vector<std::thread> writers;
  for (int i = 0; i < 3; i++)
    writers.emplace_back([&journal] {
      for (size_t i = 0;; i++) {
        RecordHeader header = decided();
        while (journal.append(header, sample(i), {}) != Journal::kOk) usleep(50);
      }
    });
  while (journal.unread() == 0) usleep(100);
  puts("ready");
  fflush(stdout);
  for (;; usleep(100)) {
    // Half of what waits, so that something is unread at any moment.
    const std::string records = journal.unread_bytes();
    size_t at = 0;
    for (uint32_t size = 0; at < records.size() / 2; at += size) memcpy(&size, records.data() + at, 4);
    if (at < records.size()) journal.consumed(at);
  }
}

void fill(Journal& journal) {
  size_t count = 0;
  for (RecordHeader header = decided(); journal.append(header, sample(count), {}) == Journal::kOk; header = decided()) count++;
  printf("%zu\n", count);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 2 ? argv[1] : "";
  if (mode == "decide") {
    decide_all(argv[2]);
    return 0;
  }
  if (argc != 4) die("see the head of driver.cc");
  Journal journal;
  std::string error;
  if (!journal.open(argv[2], strtoull(argv[3], nullptr, 10), error)) die(error);
  if (mode == "journal") journal_all(journal);
  else if (mode == "flood") flood(journal);
  else if (mode == "fill") fill(journal);
  else die("see the head of driver.cc");
}
