#include <pybind11/stl.h>

#include <chrono>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "categories.hpp"
#include "loadcore/base/error.hpp"
#include "loadcore/counter/care.hpp"

namespace py = pybind11;

namespace loadcore::bindings {
namespace {

using counter::Disk;
using counter::DiskUse;

counter::CareOptions options_of(std::int64_t key_age_ms) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return {.key_age_ms_max = key_age_ms,
          .now_ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count()};
}

/// Runs something long without the GIL. A signal makes the files of disks opened by open()
/// unreadable, and what its handler raised (KeyboardInterrupt, above all) then comes out of run().
class Interruption {
 public:
  std::unique_ptr<Disk> open(const std::string& path, DiskUse use) {
    return counter::interruptible(counter::open_disk(path, use), [this] { return signalled(); });
  }

  template <typename Work>
  auto run(Work work) {
    try {
      const py::gil_scoped_release released;
      return work();
    } catch (const base::RunError& error) {
      if (raised_) std::rethrow_exception(raised_);
      throw base::DataError(error.what());
    }
  }

 private:
  bool signalled() {
    if (raised_) return true;
    const py::gil_scoped_acquire acquired;
    if (PyErr_CheckSignals() == 0) return false;
    raised_ = std::make_exception_ptr(py::error_already_set());
    return true;
  }

  std::exception_ptr raised_;
};

py::dict dict_of(const counter::Totals& totals) {
  py::dict dict;
  dict["users"] = totals.users;
  dict["likes"] = totals.likes;
  dict["keys"] = totals.keys;
  return dict;
}

py::dict dict_of(const counter::CheckedSnapshot& snapshot) {
  py::dict dict;
  dict["file"] = snapshot.name;
  dict["bytes"] = snapshot.bytes;
  dict["sequence"] = snapshot.sequence;
  dict["created_unix_ms"] = snapshot.created_unix_ms;
  dict["rebased"] = snapshot.rebased;
  dict["whole"] = snapshot.whole;
  dict["holds"] = dict_of(snapshot.totals);
  return dict;
}

py::dict dict_of(const counter::CheckedSegment& segment) {
  py::dict dict;
  dict["file"] = segment.name;
  dict["bytes"] = segment.bytes;
  dict["first_sequence"] = segment.first_sequence;
  dict["next_sequence"] = segment.next_sequence;
  dict["frames"] = segment.frames;
  dict["torn_bytes"] = segment.torn_bytes;
  dict["whole"] = segment.whole;
  return dict;
}

py::dict dict_of(const counter::Broken& broken) {
  py::dict dict;
  dict["file"] = broken.file;
  dict["offset"] = broken.offset;
  dict["what"] = broken.what;
  return dict;
}

py::dict dict_of(const counter::Kept& kept) {
  py::dict dict;
  dict["exact"] = kept.exact();
  dict["snapshots"] = kept.snapshots;
  dict["frames"] = kept.frames;
  dict["keeps"] = dict_of(kept.totals);
  py::list missing;
  for (const counter::SequenceRange& range : kept.missing) {
    missing.append(py::make_tuple(range.first, range.last));
  }
  dict["missing"] = missing;
  dict["frames_missing"] = kept.frames_missing;
  dict["rebased_missing"] = kept.rebased_missing;
  dict["users_short"] = kept.users_short;
  dict["users_gone_max"] = kept.users_gone_max;
  dict["left_out"] = kept.left_out;
  return dict;
}

template <typename Items>
py::list list_of(const Items& items) {
  py::list list;
  for (const auto& item : items) list.append(dict_of(item));
  return list;
}

template <typename Part>
py::object dict_or_none(const std::optional<Part>& part) {
  if (!part) return py::none();
  return dict_of(*part);
}

py::dict dict_of(const counter::CheckReport& report) {
  py::dict dict;
  dict["snapshots"] = list_of(report.snapshots);
  dict["segments"] = list_of(report.segments);
  dict["damage"] = list_of(report.broken);
  dict["holds"] = dict_or_none(report.totals);
  dict["repair"] = dict_or_none(report.repair);
  return dict;
}

py::dict check(const std::string& path, std::int64_t key_age_ms) {
  Interruption interruption;
  return dict_of(interruption.run([&] {
    return counter::check_directory(*interruption.open(path, DiskUse::care),
                                    options_of(key_age_ms));
  }));
}

py::dict repair(const std::string& path, std::int64_t key_age_ms, bool dry_run) {
  Interruption interruption;
  const counter::RepairReport report = interruption.run([&] {
    return counter::repair_directory(*interruption.open(path, DiskUse::care),
                                     options_of(key_age_ms), dry_run);
  });
  py::dict dict = dict_of(report.found);
  dict["snapshot"] = report.snapshot;
  dict["renamed"] = report.renamed;
  return dict;
}

py::dict audit(const std::string& path, std::int64_t key_age_ms) {
  Interruption interruption;
  const counter::AuditReport report = interruption.run([&] {
    return counter::audit_directory(*interruption.open(path, DiskUse::care),
                                    options_of(key_age_ms));
  });
  py::dict dict;
  dict["newest"] = report.newest;
  dict["base"] = report.base;
  dict["recounted"] = report.recounted;
  dict["why_not"] = report.why_not;
  dict["first_sequence"] = report.first_sequence;
  dict["last_sequence"] = report.last_sequence;
  dict["frames"] = report.frames;
  dict["holds"] = dict_of(report.totals);
  dict["keys_older"] = report.keys_older;
  dict["differences"] = report.differences;
  py::list first;
  for (const auto& difference : report.first_differences) {
    first.append(py::make_tuple(difference.what, difference.kept, difference.recounted));
  }
  dict["first_differences"] = first;
  return dict;
}

/// Of one Python thread at a time, as a generator is.
class Export {
 public:
  Export(const std::string& path, bool json_lines) {
    const auto text = json_lines ? counter::LikesFormat::json_lines : counter::LikesFormat::csv;
    export_ = interruption_.run([&] {
      return std::make_unique<counter::LikesExport>(interruption_.open(path, DiskUse::care), text);
    });
  }

  std::uint64_t users() const { return export_->users(); }
  std::uint64_t likes() const { return export_->likes(); }
  py::bytes next() {
    std::string_view piece;
    {
      const py::gil_scoped_release released;
      piece = export_->next();
    }
    return py::bytes(piece.data(), piece.size());
  }

 private:
  Interruption interruption_;  // outlives what reads through it
  std::unique_ptr<counter::LikesExport> export_;
};

class Import {
 public:
  Import(std::string path, std::int64_t key_age_ms) : path_(std::move(path)) {
    import_ = interruption_.run([&] {
      std::error_code error;
      const bool there = std::filesystem::exists(path_, error) || error;
      return std::make_unique<counter::LikesImport>(
          there ? interruption_.open(path_, DiskUse::care) : nullptr, options_of(key_age_ms));
    });
  }

  void take(const py::bytes& text) {
    const std::string_view view(text);
    const py::gil_scoped_release released;
    import_->take(view);
  }

  py::dict finish() {
    const counter::ImportReport report = interruption_.run(
        [&] { return import_->finish([&] { return counter::open_disk(path_, DiskUse::serve); }); });
    py::dict dict;
    dict["users"] = report.users;
    dict["likes"] = report.likes;
    dict["holds"] = dict_of(report.totals);
    return dict;
  }

 private:
  const std::string path_;
  Interruption interruption_;
  std::unique_ptr<counter::LikesImport> import_;
};

}  // namespace

void bind_care(py::module_& module) {
  module.def("likes_check", &check, py::arg("path"), py::kw_only(), py::arg("key_age_ms"));
  module.def("likes_repair", &repair, py::arg("path"), py::kw_only(), py::arg("key_age_ms"),
             py::arg("dry_run") = false);
  module.def("likes_audit", &audit, py::arg("path"), py::kw_only(), py::arg("key_age_ms"));
  py::class_<Export>(module, "LikesExport")
      .def(py::init<const std::string&, bool>(), py::arg("path"), py::kw_only(),
           py::arg("json_lines") = false)
      .def_property_readonly("users", &Export::users)
      .def_property_readonly("likes", &Export::likes)
      .def("next", &Export::next);
  py::class_<Import>(module, "LikesImport")
      .def(py::init<std::string, std::int64_t>(), py::arg("path"), py::kw_only(),
           py::arg("key_age_ms"))
      .def("take", &Import::take, py::arg("text"))
      .def("finish", &Import::finish);
}

}  // namespace loadcore::bindings
