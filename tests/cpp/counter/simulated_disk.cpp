#include "simulated_disk.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <optional>
#include <stdexcept>

#include "loadcore/base/error.hpp"

namespace loadcore::counter::simulated {
namespace {

constexpr std::uint64_t sector_bytes = 512;

/// A write, or a new length, that is not synced.
struct Change {
  std::uint64_t order = 0;
  std::uint64_t offset = 0;
  std::string bytes;
  bool truncation = false;
};

struct Content {
  std::string seen;
  std::string safe;
  std::vector<Change> unsynced;
};

using ContentPtr = std::shared_ptr<Content>;

/// A change to the directory that is not synced: `content` gets name `to`, loses name `from`.
struct NameChange {
  std::string from;
  std::string to;
  ContentPtr content;
};

void put_in(std::string& file, std::uint64_t offset, std::string_view bytes) {
  if (file.size() < offset + bytes.size()) file.resize(offset + bytes.size(), '\0');
  std::memcpy(file.data() + offset, bytes.data(), bytes.size());
}

void carry_out(std::string& file, const Change& change, std::size_t bytes) {
  if (change.truncation) {
    file.resize(change.offset, '\0');
  } else if (bytes > 0) {
    put_in(file, change.offset, std::string_view(change.bytes).substr(0, bytes));
  }
}

void carry_out(std::map<std::string, ContentPtr>& names, const NameChange& change) {
  const auto from = names.find(change.from);
  if (from != names.end() && from->second == change.content) names.erase(from);
  if (!change.to.empty()) names[change.to] = change.content;
}

/// Any of the sectors of what was not synced, each whole or torn, and any length there was.
std::string any_of(const Content& content, std::mt19937_64& random) {
  std::string file = content.safe;
  const auto chance = random() % 5;  // none at 0, all at 4
  const auto survives = [&] { return random() % 4 < chance; };
  std::vector<std::uint64_t> lengths{content.safe.size(), content.seen.size()};
  std::uint64_t length = content.safe.size();
  for (const Change& change : content.unsynced) {
    length = change.truncation
                 ? change.offset
                 : std::max<std::uint64_t>(length, change.offset + change.bytes.size());
    lengths.push_back(length);
    if (change.truncation) {
      if (survives()) carry_out(file, change, 0);
      continue;
    }
    for (std::uint64_t at = 0; at < change.bytes.size();) {
      const std::uint64_t offset = change.offset + at;
      const std::uint64_t size =
          std::min(sector_bytes - offset % sector_bytes, change.bytes.size() - at);
      if (survives()) {
        const std::uint64_t whole = random() % 8 == 0 ? random() % (size + 1) : size;
        if (whole > 0) put_in(file, offset, std::string_view(change.bytes).substr(at, whole));
      }
      at += size;
    }
  }
  lengths.push_back(file.size());
  file.resize(lengths[random() % lengths.size()], '\0');
  return file;
}

}  // namespace

struct SimulatedDisk::State {
  mutable std::mutex mutex;
  std::mt19937_64 random;
  std::map<std::string, ContentPtr> seen;
  std::map<std::string, ContentPtr> safe;
  std::vector<NameChange> unsynced;
  std::uint64_t order = 0;
  std::uint64_t operations = 0;
  Step last_step;
  std::uint64_t process = 0;  // that is alive
  std::optional<std::uint64_t> last_operation;
  std::function<Fault(const Step&)> plan;

  bool is_stopped() const { return last_operation && operations >= *last_operation; }

  /// What becomes of a call; where it changes something it is counted.
  Fault begin(std::uint64_t caller, Operation operation, const std::string& file,
              std::size_t bytes = 0) {
    Step step{0, operation, file, bytes};
    std::function<Fault(const Step&)> ask;
    {
      const std::scoped_lock lock(mutex);
      if (caller != process || is_stopped()) return {EIO, 0};
      if (operation < Operation::open) {
        step.number = ++operations;
        last_step = step;
      }
      ask = plan;
    }
    if (!ask) return {};
    const Fault fault = ask(step);
    // It may have made calls of its own, up to the last one there is.
    const std::scoped_lock lock(mutex);
    return caller != process || (is_stopped() && operations > step.number && step.number > 0)
               ? Fault{EIO, 0}
               : fault;
  }

  /// A sync that failed: some of what was to be written is on the disk, the rest never will be.
  void lose_unsynced(Content& content) {
    content.safe = any_of(content, random);
    content.unsynced.clear();
  }
};

class SimulatedDisk::OpenFile final : public File {
 public:
  OpenFile(std::shared_ptr<State> state, std::uint64_t process, std::string name,
           ContentPtr content)
      : state_(std::move(state)),
        process_(process),
        name_(std::move(name)),
        content_(std::move(content)) {}

  IoResult write_at(std::uint64_t offset, std::string_view data) noexcept override {
    const Fault fault = state_->begin(process_, Operation::write, name_, data.size());
    data = data.substr(0, fault.error != 0 && fault.bytes_max == SIZE_MAX ? 0 : fault.bytes_max);
    const std::scoped_lock lock(state_->mutex);
    if (!data.empty()) {
      put_in(content_->seen, offset, data);
      content_->unsynced.push_back({++state_->order, offset, std::string(data), false});
    }
    return {data.size(), fault.error};
  }

  IoResult read_at(std::uint64_t offset, char* into, std::size_t size) noexcept override {
    if (const Fault fault = state_->begin(process_, Operation::read, name_, size);
        fault.error != 0) {
      return {0, fault.error};
    }
    const std::scoped_lock lock(state_->mutex);
    const std::string_view whole = content_->seen;
    return {whole.substr(std::min<std::uint64_t>(offset, whole.size())).copy(into, size), 0};
  }

  std::uint64_t size() noexcept override {
    const std::scoped_lock lock(state_->mutex);
    return content_->seen.size();
  }

  int truncate(std::uint64_t size) noexcept override {
    const Fault fault = state_->begin(process_, Operation::truncate, name_);
    if (fault.error != 0) return fault.error;
    const std::scoped_lock lock(state_->mutex);
    content_->seen.resize(size, '\0');
    content_->unsynced.push_back({++state_->order, size, {}, true});
    return 0;
  }

  int sync() noexcept override {
    const Fault fault = state_->begin(process_, Operation::sync, name_);
    const std::scoped_lock lock(state_->mutex);
    if (fault.error != 0) {
      if (fault.bytes_max != 0) state_->lose_unsynced(*content_);
      return fault.error;
    }
    for (const Change& change : content_->unsynced)
      carry_out(content_->safe, change, change.bytes.size());
    // The length is the inode's, and written with it whatever became of the pages.
    content_->safe.resize(content_->seen.size(), '\0');
    content_->unsynced.clear();
    return 0;
  }

 private:
  std::shared_ptr<State> state_;
  const std::uint64_t process_;
  const std::string name_;
  ContentPtr content_;
};

class SimulatedDisk::Handle final : public Disk {
 public:
  Handle(std::shared_ptr<State> state, std::uint64_t process)
      : state_(std::move(state)), process_(process) {}

  Opened open_to_read(const std::string& name) noexcept override { return open(name); }
  Opened open_to_change(const std::string& name) noexcept override { return open(name); }

  Opened create(const std::string& name) noexcept override {
    const Fault fault = state_->begin(process_, Operation::create, name);
    if (fault.error != 0) return {nullptr, fault.error};
    const std::scoped_lock lock(state_->mutex);
    ContentPtr& content = state_->seen[name];
    if (content) {
      content->seen.clear();
      content->unsynced.push_back({++state_->order, 0, {}, true});
    } else {
      content = std::make_shared<Content>();
      state_->unsynced.push_back({{}, name, content});
    }
    return {std::make_unique<OpenFile>(state_, process_, name, content), 0};
  }

  int rename(const std::string& from, const std::string& to) noexcept override {
    return change(Operation::rename, from, to);
  }
  int remove(const std::string& name) noexcept override {
    return change(Operation::remove, name, {});
  }

  int sync_directory() noexcept override {
    const Fault fault = state_->begin(process_, Operation::sync_directory, {});
    const std::scoped_lock lock(state_->mutex);
    if (fault.error != 0 && fault.bytes_max == 0) return fault.error;
    for (const NameChange& change : state_->unsynced) {
      if (fault.error == 0 || state_->random() % 2 == 0) carry_out(state_->safe, change);
    }
    state_->unsynced.clear();
    return fault.error;
  }

  std::vector<std::string> list() override {
    if (const Fault fault = state_->begin(process_, Operation::list, {}); fault.error != 0) {
      throw base::RunError("the data directory " + describe() + " cannot be listed");
    }
    const std::scoped_lock lock(state_->mutex);
    std::vector<std::string> names;
    for (const auto& [name, content] : state_->seen) names.push_back(name);
    return names;
  }

  std::string describe() const override { return "/simulated"; }

 private:
  Opened open(const std::string& name) noexcept {
    const Fault fault = state_->begin(process_, Operation::open, name);
    if (fault.error != 0) return {nullptr, fault.error};
    const std::scoped_lock lock(state_->mutex);
    const auto found = state_->seen.find(name);
    if (found == state_->seen.end()) return {nullptr, ENOENT};
    return {std::make_unique<OpenFile>(state_, process_, name, found->second), 0};
  }

  int change(Operation operation, const std::string& from, const std::string& to) {
    const Fault fault = state_->begin(process_, operation, from);
    if (fault.error != 0) return fault.error;
    const std::scoped_lock lock(state_->mutex);
    const auto found = state_->seen.find(from);
    if (found == state_->seen.end()) return ENOENT;
    NameChange change{from, to, found->second};
    carry_out(state_->seen, change);
    state_->unsynced.push_back(std::move(change));
    return 0;
  }

  std::shared_ptr<State> state_;
  const std::uint64_t process_;
};

SimulatedDisk::SimulatedDisk(const Files& files, std::uint64_t seed)
    : state_(std::make_shared<State>()) {
  state_->random.seed(seed);
  for (const auto& [name, bytes] : files) {
    auto content = std::make_shared<Content>();
    content->seen = content->safe = bytes;
    state_->seen[name] = state_->safe[name] = std::move(content);
  }
}

SimulatedDisk::~SimulatedDisk() = default;

std::unique_ptr<Disk> SimulatedDisk::open() {
  const std::scoped_lock lock(state_->mutex);
  return std::make_unique<Handle>(state_, ++state_->process);
}

void SimulatedDisk::kill() {
  const std::scoped_lock lock(state_->mutex);
  ++state_->process;
  state_->last_operation.reset();
}

Files SimulatedDisk::files() const {
  const std::scoped_lock lock(state_->mutex);
  Files files;
  for (const auto& [name, content] : state_->seen) files[name] = content->seen;
  return files;
}

Files SimulatedDisk::after(const PowerLoss& loss) const {
  const std::scoped_lock lock(state_->mutex);
  std::mt19937_64 random(loss.seed);
  auto names = state_->safe;
  for (std::size_t i = 0; i < state_->unsynced.size(); ++i) {
    if (i >= 64 || (loss.names >> i & 1) != 0) carry_out(names, state_->unsynced[i]);
  }
  // How much of the changes comes before each, over all files, those that lost their names too.
  std::map<std::uint64_t, std::uint64_t> sizes;
  const auto collect = [&](const ContentPtr& content) {
    for (const Change& change : content->unsynced) sizes[change.order] = change.bytes.size();
  };
  for (const auto& [name, content] : state_->seen) collect(content);
  for (const auto& [name, content] : names) collect(content);
  std::map<std::uint64_t, std::uint64_t> before;
  std::uint64_t sum = 0;
  for (const auto& [order, size] : sizes) {
    before[order] = sum;
    sum += size;
  }

  Files files;
  for (const auto& [name, content] : names) {
    std::string file = content->safe;
    if (loss.data == PowerLoss::Data::random) {
      file = any_of(*content, random);
    } else if (loss.data != PowerLoss::Data::none) {
      for (const Change& change : content->unsynced) {
        const std::uint64_t start = before[change.order];
        if (loss.data == PowerLoss::Data::prefix && loss.bytes < start) break;
        carry_out(file, change,
                  loss.data == PowerLoss::Data::all
                      ? change.bytes.size()
                      : std::min<std::uint64_t>(loss.bytes - start, change.bytes.size()));
      }
      if (loss.data == PowerLoss::Data::all || loss.full_length) {
        file.resize(content->seen.size(), '\0');
      }
    }
    files[name] = std::move(file);
  }
  return files;
}

std::uint64_t SimulatedDisk::unsynced_bytes() const {
  const std::scoped_lock lock(state_->mutex);
  std::uint64_t sum = 0;
  for (const auto& [name, content] : state_->seen) {
    for (const Change& change : content->unsynced) sum += change.bytes.size();
  }
  return sum;
}

std::uint64_t SimulatedDisk::unsynced_names() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->unsynced.size();
}

std::uint64_t SimulatedDisk::operations() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->operations;
}

Step SimulatedDisk::last_step() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->last_step;
}

void SimulatedDisk::stop_after(std::uint64_t operation) {
  const std::scoped_lock lock(state_->mutex);
  state_->last_operation = operation;
}

bool SimulatedDisk::stopped() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->is_stopped();
}

void SimulatedDisk::on_step(std::function<Fault(const Step&)> plan) {
  const std::scoped_lock lock(state_->mutex);
  state_->plan = std::move(plan);
}

}  // namespace loadcore::counter::simulated
