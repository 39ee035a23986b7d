// A bar that shows how far a long work is: on a terminal, else nothing.

#pragma once

#include <cstdint>
#include <string>

namespace moat {

class Progress {
 public:
  // `total` 0 is not known: the bar is then a count.
  Progress(std::string what, std::uint64_t total);
  Progress(const Progress &) = delete;
  Progress &operator=(const Progress &) = delete;
  ~Progress();  // clears its line

  // To be called often; draws ten times a second at most.
  void at(std::uint64_t position);

 private:
  void draw(std::uint64_t position) const;

  std::string what_;
  std::uint64_t total_;
  bool shown_;
  std::int64_t drawn_ = 0;  // boot time, milliseconds
  std::uint64_t calls_ = 0;
};

}  // namespace moat
