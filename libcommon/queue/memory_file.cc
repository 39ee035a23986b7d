#include "libcommon/queue/memory_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "libcommon/base/io.h"

namespace moat {

Result<Fd> memory_file(const char *name, std::string_view octets) {
  Fd file(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file) return system_error("memfd_create");
  const auto written = write_all(file.get(), octets);
  if (!written) return written.error();
  const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
  if (::fcntl(file.get(), F_ADD_SEALS, seals) != 0) return system_error("seal");
  if (::lseek(file.get(), 0, SEEK_SET) != 0) return system_error("lseek");
  return file;
}

}  // namespace moat
