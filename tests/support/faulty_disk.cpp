// For LD_PRELOAD: faults of a disk, asked for by files in the folder that $LOADCORE_FAULTS names.
//   sync-fails   the next fdatasync fails with EIO and takes the file away
//   sync-waits   every fdatasync takes so many milliseconds more, as long as the file is there
//   disk-full    every write takes half of what it is given, and a single byte fails with ENOSPC
#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <string>

namespace {

std::string path_of(const char* fault) {
  const char* folder = std::getenv("LOADCORE_FAULTS");
  return folder == nullptr ? std::string() : std::string(folder) + "/" + fault;
}

bool is_there(const char* fault) { return ::access(path_of(fault).c_str(), F_OK) == 0; }

unsigned wait_ms() {
  const int file = ::open(path_of("sync-waits").c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  char text[16]{};
  const ssize_t size = ::read(file, text, sizeof text - 1);
  ::close(file);
  return size > 0 ? static_cast<unsigned>(std::atoi(text)) : 0;
}

template <typename Function>
Function* real(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

using Pwrite = ssize_t(int, const void*, size_t, off_t);

ssize_t write_some(const char* name, int file, const void* data, size_t size, off_t offset) {
  if (is_there("disk-full")) {
    if (size <= 1) {
      errno = ENOSPC;
      return -1;
    }
    size /= 2;
  }
  return real<Pwrite>(name)(file, data, size, offset);
}

}  // namespace

extern "C" {

int fdatasync(int file) {
  if (const unsigned ms = wait_ms(); ms > 0) ::usleep(std::min(ms, 10'000U) * 1000);
  if (::unlink(path_of("sync-fails").c_str()) == 0) {
    errno = EIO;
    return -1;
  }
  return real<int(int)>("fdatasync")(file);
}

ssize_t pwrite(int file, const void* data, size_t size, off_t offset) {
  return write_some("pwrite", file, data, size, offset);
}

ssize_t pwrite64(int file, const void* data, size_t size, off_t offset) {
  return write_some("pwrite64", file, data, size, offset);
}
}
