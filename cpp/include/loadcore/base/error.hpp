#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace loadcore::base {

/// A plan or an argument that cannot be carried out: thrown before anything is sent or opened.
/// what() is one sentence without a full stop that says what is wrong and what to do about it.
class PlanError : public std::invalid_argument {
 public:
  /// `field` is the plan's field at fault, such as "rate" or "connections".
  PlanError(std::string field, const std::string& sentence)
      : std::invalid_argument(sentence), field_(std::move(field)) {}

  const std::string& field() const noexcept { return field_; }

 private:
  std::string field_;
};

/// What was asked for is sound but could not be carried out here: a port in use, a name that does
/// not resolve, a target that nobody listens on. what() is one sentence, as above.
class RunError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The same of a data directory: in use, damaged, of a newer version, not readable or writable.
class DataError : public RunError {
 public:
  using RunError::RunError;
};

}  // namespace loadcore::base
