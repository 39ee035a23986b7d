#include "libcommon/state/page_scan.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>

#include "libcommon/base/fd.h"
#include "libcommon/base/io.h"
#include "libcommon/state/store_files.h"

namespace moat {
namespace {

// How LMDB 0.9 lays out a page: its number, flags and bounds; in a leaf the
// places of its nodes, and each node's sizes, key and value, where the value may
// be the number of the overflow pages that hold it.
constexpr std::size_t page_head = 16;
constexpr std::size_t node_head = 8;
constexpr std::uint16_t leaf_page = 0x02;
constexpr std::uint16_t overflow_page = 0x04;
constexpr std::uint16_t value_elsewhere = 0x01;
constexpr std::uint32_t magic = 0xBEEFC0DE;
constexpr std::size_t magic_place = page_head;
constexpr std::size_t page_size_place = page_head + 24;
constexpr std::size_t usual_page = 4096;

// Reads a number of the machine's own order at a place that was checked.
template <typename Number>
Number number_at(std::string_view octets, std::size_t place) {
  Number number = 0;
  std::memcpy(&number, octets.data() + place, sizeof number);
  return number;
}

class Pages {
 public:
  explicit Pages(std::string_view file) : file_(file) {
    if (file.size() < page_size_place + 4 ||
        number_at<std::uint32_t>(file, magic_place) != magic) {
      return;
    }
    const auto told = number_at<std::uint32_t>(file, page_size_place);
    if (told >= 512 && told <= 65536 && std::has_single_bit(told)) size_ = told;
  }

  std::uint64_t count() const { return file_.size() / size_; }
  std::string_view page(std::uint64_t number) const {
    return file_.substr(number * size_, size_);
  }

  // Returns a value that lies in overflow pages, or "" where it does not.
  std::string_view overflow(std::uint64_t number, std::size_t size) const {
    if (number >= count()) return {};
    const std::string_view first = page(number);
    const std::uint64_t place = number * size_ + page_head;
    if (number_at<std::uint64_t>(first, 0) != number ||
        (number_at<std::uint16_t>(first, 10) & overflow_page) == 0 ||
        size > file_.size() - place) {
      return {};
    }
    return file_.substr(place, size);
  }

 private:
  std::string_view file_;
  std::size_t size_ = usual_page;
};

using Call = std::function<void(std::string_view, std::string_view)>;

void scan_node(const Pages &pages, std::string_view page, std::size_t place,
               const Call &call) {
  if (place < page_head || place > page.size() - node_head) return;
  const std::size_t size = number_at<std::uint16_t>(page, place) |
                           std::size_t{number_at<std::uint16_t>(page, place + 2)} << 16U;
  const auto flags = number_at<std::uint16_t>(page, place + 4);
  const auto key_size = number_at<std::uint16_t>(page, place + 6);
  std::string_view rest = page.substr(place + node_head);
  if (key_size == 0 || key_size > rest.size()) return;
  const std::string_view key = rest.substr(0, key_size);
  rest.remove_prefix(key_size);
  if (flags == 0) {
    if (size <= rest.size()) call(key, rest.substr(0, size));
  } else if (flags == value_elsewhere && rest.size() >= sizeof(std::uint64_t)) {
    const auto value = pages.overflow(number_at<std::uint64_t>(rest, 0), size);
    if (value.size() == size) call(key, value);
  }
}

void scan_page(const Pages &pages, std::uint64_t number, const Call &call) {
  const std::string_view page = pages.page(number);
  if (number_at<std::uint64_t>(page, 0) != number) return;
  if ((number_at<std::uint16_t>(page, 10) & leaf_page) == 0) return;
  const std::size_t end =
      std::min<std::size_t>(number_at<std::uint16_t>(page, 12), page.size());
  for (std::size_t at = page_head; at + 2 <= end; at += 2) {
    scan_node(pages, page, number_at<std::uint16_t>(page, at), call);
  }
}

}  // namespace

Status scan_store_pages(const std::string &path, const Call &call) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return system_error(path);
  struct stat info{};
  if (::fstat(file.get(), &info) != 0) return system_error(path);
  const auto size = static_cast<std::size_t>(info.st_size);
  if (size == 0) return done;
  void *map = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (map == MAP_FAILED) return system_error(path);
  const Pages pages({static_cast<const char *>(map), size});
  for (std::uint64_t number = 0; number < pages.count(); ++number) {
    scan_page(pages, number, call);
  }
  ::munmap(map, size);
  return done;
}

Result<bool> is_store_in_use(const std::string &path) {
  const std::string lock = lock_file_of(path);
  const Fd file(::open(lock.c_str(), O_RDWR | O_CLOEXEC));
  if (!file) return system_error(lock);
  // Whoever has the store open shares the first octet.
  struct flock first{};
  first.l_type = F_WRLCK;
  first.l_len = 1;
  if (::fcntl(file.get(), F_GETLK, &first) != 0) return system_error(lock);
  return first.l_type != F_UNLCK;
}

}  // namespace moat
