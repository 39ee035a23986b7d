// A folder that goes with the test.

#pragma once

#include <array>
#include <cstdlib>
#include <filesystem>
#include <string>

namespace moat::test {

class Scratch {
 public:
  Scratch() {
    std::array<char, 32> name{"/tmp/moat-test-XXXXXX"};
    path_ = ::mkdtemp(name.data());
  }
  Scratch(const Scratch &) = delete;
  Scratch &operator=(const Scratch &) = delete;
  ~Scratch() { std::filesystem::remove_all(path_); }

  const std::string &path() const { return path_; }
  std::string file(const std::string &name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace moat::test
