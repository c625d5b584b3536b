// How long the fast path takes, from notification to answer, as a histogram with a fixed 1/16 resolution: each
// power of two of nanoseconds in 16 steps. Owner of the counts: the receiver thread; others may read at any time
// and see a count or two less.
#pragma once
#include <atomic>
#include <bit>
#include <cstdint>

namespace portcullis {

class Latency {
 public:
  void add(uint64_t ns) {
    auto& count = counts_[bucket(ns)];
    count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }

  // The upper bound, in ns, of the bucket in which `share` (0…1) of what was added is reached. 0 when empty.
  uint64_t quantile(double share) const {
    uint64_t total = 0;
    for (const auto& count : counts_) total += count.load(std::memory_order_relaxed);
    if (total == 0) return 0;
    const double wanted = share * static_cast<double>(total);
    uint64_t seen = 0;
    for (int i = 0; i < kBuckets; i++) {
      seen += counts_[i].load(std::memory_order_relaxed);
      if (static_cast<double>(seen) >= wanted) return upper(i);
    }
    return upper(kBuckets - 1);
  }

 private:
  static constexpr int kSteps = 16, kPowers = 40, kBuckets = kSteps * kPowers;

  static int bucket(uint64_t ns) {
    if (ns < kSteps) return static_cast<int>(ns);
    const int power = std::bit_width(ns) - 5;  // ns >> power lies in [16, 32)
    const int index = (power + 1) * kSteps + static_cast<int>((ns >> power) - kSteps);
    return index < kBuckets ? index : kBuckets - 1;
  }
  static uint64_t upper(int index) {
    if (index < kSteps) return static_cast<uint64_t>(index) + 1;
    const int power = index / kSteps - 1;
    return static_cast<uint64_t>(index % kSteps + kSteps + 1) << power;
  }

  std::atomic<uint64_t> counts_[kBuckets] = {};
};

}  // namespace portcullis
