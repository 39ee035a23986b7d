// Records: how a value lies in a store, so that neither damage nor a newer
// version is ever misread. A record is a version, its fields, and a checksum
// over key, version and fields.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "libcommon/base/result.h"

namespace moat {

// Appends fields to a record: numbers as little-endian base 128, texts with
// their length before them.
class RecordWriter {
 public:
  void number(std::uint64_t value);
  void text(std::string_view octets);

  // Returns the whole record, to be stored under `key`.
  std::string seal(std::string_view key, std::uint8_t version) const;

 private:
  std::string fields_;
};

// Takes the fields back, in their order. Past the end or past a bound, every
// further field is empty or 0 and good() is false.
class RecordReader {
 public:
  // Looks at the checksum, then at the version: Cause::damaged, Cause::newer
  // when it is above `newest`. The record must outlive the reader.
  static Result<RecordReader> open(std::string_view key, std::string_view record,
                                   std::uint8_t newest);

  std::uint8_t version() const { return version_; }
  std::uint64_t number(std::uint64_t most = UINT64_MAX);
  std::string_view text(std::size_t max_size);

  bool good() const { return good_; }
  bool at_end() const { return rest_.empty(); }

 private:
  RecordReader(std::uint8_t version, std::string_view fields)
      : version_(version), rest_(fields) {}
  std::uint8_t version_;
  std::string_view rest_;
  bool good_ = true;
};

}  // namespace moat
