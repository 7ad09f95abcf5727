#include "counter/process_figures.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>

namespace loadcore::counter {
namespace {

double seconds(const timespec& time) noexcept {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

double read_clock(clockid_t clock) noexcept {
  timespec time{};
  ::clock_gettime(clock, &time);
  return seconds(time);
}

/// proc_pid_stat(5): field 22, in ticks since the machine started. The process' name, field 2, may
/// hold anything, but ends with the last parenthesis.
double start_unix_s() {
  std::ifstream file("/proc/self/stat");
  const std::string stat{std::istreambuf_iterator<char>(file), {}};
  const std::size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return 0;
  constexpr int fields_between = 19;  // from 3 to 21
  std::size_t at = name_end + 1;
  for (int i = 0; i < fields_between && at != std::string::npos; ++i) at = stat.find(' ', at + 1);
  if (at == std::string::npos) return 0;
  const auto ticks_per_second = static_cast<double>(::sysconf(_SC_CLK_TCK));
  const double after_boot_s = std::strtod(stat.c_str() + at, nullptr) / ticks_per_second;
  return read_clock(CLOCK_REALTIME) - read_clock(CLOCK_BOOTTIME) + after_boot_s;
}

std::uint64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t pages = 0;
  std::uint64_t resident = 0;
  file >> pages >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::uint64_t open_descriptors() {
  std::error_code error;
  std::filesystem::directory_iterator entry("/proc/self/fd", error);
  std::uint64_t count = 0;
  while (!error && entry != std::filesystem::directory_iterator()) {
    ++count;
    entry.increment(error);
  }
  return count > 0 ? count - 1 : 0;  // one was the folder itself
}

}  // namespace

ProcessFigures process_figures() {
  ProcessFigures figures;
  figures.start_unix_s = start_unix_s();
  figures.cpu_s = read_clock(CLOCK_PROCESS_CPUTIME_ID);
  figures.resident_bytes = resident_bytes();
  figures.descriptors = open_descriptors();
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) figures.descriptors_max = limit.rlim_cur;
  return figures;
}

}  // namespace loadcore::counter
