#include "libcommon/state/record.h"

#include <algorithm>
#include <cstring>

#include "libcommon/crypto/crypto.h"

namespace moat {
namespace {

constexpr std::size_t sum_size = 8;

// The key belongs to the sum: a record under another's key is no record.
std::uint64_t sum_of(std::string_view key, std::string_view body) {
  return checksum64(body, checksum64(key));
}

}  // namespace

void RecordWriter::number(std::uint64_t value) {
  for (; value > 0x7fU; value >>= 7U) fields_ += static_cast<char>(value | 0x80U);
  fields_ += static_cast<char>(value);
}

void RecordWriter::text(std::string_view octets) {
  number(octets.size());
  fields_ += octets;
}

std::string RecordWriter::seal(std::string_view key, std::uint8_t version) const {
  std::string record;
  record.reserve(1 + fields_.size() + sum_size);
  record += static_cast<char>(version);
  record += fields_;
  const std::uint64_t sum = sum_of(key, record);
  record.append(reinterpret_cast<const char *>(&sum), sum_size);
  return record;
}

Result<RecordReader> RecordReader::open(std::string_view key, std::string_view record,
                                        std::uint8_t newest) {
  if (record.size() < 1 + sum_size) return Error{true, "damaged record", Cause::damaged};
  const std::string_view body = record.substr(0, record.size() - sum_size);
  std::uint64_t sum = 0;
  std::memcpy(&sum, record.data() + body.size(), sum_size);
  if (sum != sum_of(key, body)) return Error{true, "damaged record", Cause::damaged};
  const auto version = static_cast<std::uint8_t>(body[0]);
  if (version > newest) {
    return Error{true,
                 "written by a newer version (format " + std::to_string(version) +
                     ", this program knows " + std::to_string(newest) + ")",
                 Cause::newer};
  }
  return RecordReader(version, body.substr(1));
}

std::uint64_t RecordReader::number(std::uint64_t most) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; good_ && shift < 64; shift += 7) {
    if (rest_.empty()) break;
    const auto octet = static_cast<unsigned char>(rest_.front());
    rest_.remove_prefix(1);
    value |= std::uint64_t{octet & 0x7fU} << shift;
    if (octet > 0x7fU) continue;
    if (value > most) break;
    return value;
  }
  good_ = false;
  rest_ = {};
  return 0;
}

std::string_view RecordReader::text(std::size_t max_size) {
  const std::uint64_t size = number(max_size);
  if (!good_ || size > rest_.size()) {
    good_ = false;
    rest_ = {};
    return {};
  }
  const std::string_view octets = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return octets;
}

}  // namespace moat
