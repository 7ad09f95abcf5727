#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "loadcore/counter/disk.hpp"

namespace loadcore::counter::simulated {

/// A directory's files by name.
using Files = std::map<std::string, std::string>;

enum class Operation : std::uint8_t {
  create,
  write,
  truncate,
  sync,
  rename,
  remove,
  sync_directory,
  open,
  read,
  list,
};

/// One call, before it is carried out.
struct Step {
  std::uint64_t number = 0;  ///< among those that change something, from 1; 0 for the others
  Operation operation{};
  std::string file;
  std::size_t bytes = 0;  ///< of a write or a read
};

/// What is to go wrong with it.
struct Fault {
  int error = 0;  ///< errno's value; 0: none
  /// Of a write: so many bytes are taken at most, before the error if there is one.
  std::size_t bytes_max = SIZE_MAX;
};

/// What a loss of power leaves of that which was not synced.
struct PowerLoss {
  enum class Data : std::uint8_t {
    none,
    all,
    prefix,  ///< the first `bytes` of all bytes not synced, in the order they were written
    random,  ///< any of the sectors, some torn, and any length
  };
  Data data = Data::none;
  std::uint64_t bytes = 0;
  /// With `prefix`: files are as long as they were, zeros where data is missing.
  bool full_length = false;
  /// Of unsynced changes to the directory, the first is bit 0: set for those that survive.
  std::uint64_t names = 0;
  std::uint64_t seed = 0;
};

/// A directory on a disk that may lose power. Keeps apart what a process sees (the page cache) and
/// what the disk has; a failed sync throws away what it had to write, as Linux does, and the
/// process goes on seeing it. Any thread may call.
class SimulatedDisk {
 public:
  /// `files` are safe on the disk. The seed decides what a failed sync leaves.
  explicit SimulatedDisk(const Files& files = {}, std::uint64_t seed = 0);
  ~SimulatedDisk();

  /// A process starts; the one before it is dead: whatever it calls fails and changes nothing.
  std::unique_ptr<Disk> open();
  /// The process dies; the page cache stays.
  void kill();

  /// What the process sees.
  Files files() const;
  /// What is there after a loss of power now. Changes nothing.
  Files after(const PowerLoss& loss) const;
  std::uint64_t unsynced_bytes() const;
  std::uint64_t unsynced_names() const;

  /// Operations so far that change something.
  std::uint64_t operations() const;
  /// The last of them.
  Step last_step() const;
  /// Everything after the operation of that number fails and changes nothing, until kill().
  void stop_after(std::uint64_t operation);
  bool stopped() const;
  /// Asked before every call that reaches the disk, on the calling thread and under no lock.
  void on_step(std::function<Fault(const Step&)> plan);

 private:
  struct State;
  class Handle;
  class OpenFile;
  std::shared_ptr<State> state_;
};

}  // namespace loadcore::counter::simulated
