// What the known global names of pickles construct: containers, tensors, NumPy arrays. Used by the
// stack machine in pickle.cc only.
#pragma once

#include <string>
#include <vector>

#include "trivium/formats/pickle.h"

namespace trivium::formats {

class PickleGlobals {
 public:
  /// `copy_budget`: bytes that all constructors together may copy; a short pickle can name the
  /// same long string again and again.
  PickleGlobals(PickleMode mode, uint64_t copy_budget) : mode_(mode), copy_budget_(copy_budget) {}

  /// The value of "module.name": a dtype or a global; UserError for an unknown one in strict mode.
  PickleValue load(const std::string& module, const std::string& name) const;
  /// callee(*args)
  PickleValue call(const PickleValue& callee, const PickleValue& args);
  /// object.__setstate__(state), in place
  void build(const PickleValue& object, const PickleValue& state);

 private:
  using Args = std::vector<PickleValue>;
  using Constructor = PickleValue (PickleGlobals::*)(const std::string& name, const Args& args);
  static Constructor constructor_of(const std::string& name);

  PickleValue make_ordered_dict(const std::string& name, const Args& args);
  PickleValue make_dict(const std::string& name, const Args& args);
  PickleValue make_sequence(const std::string& name, const Args& args);
  PickleValue make_bytes(const std::string& name, const Args& args);
  PickleValue encode(const std::string& name, const Args& args);
  PickleValue make_record(const std::string& name, const Args& args);
  PickleValue first_argument(const std::string& name, const Args& args);
  PickleValue make_device(const std::string& name, const Args& args);
  PickleValue rebuild_tensor(const std::string& name, const Args& args);
  PickleValue rebuild_parameter(const std::string& name, const Args& args);
  PickleValue rebuild_from_type(const std::string& name, const Args& args);
  PickleValue empty_tensor(const std::string& name, const Args& args);
  PickleValue numpy_scalar(const std::string& name, const Args& args);
  PickleValue numpy_from_buffer(const std::string& name, const Args& args);

  /// The numbers of a shape: a tuple or list of at most 64.
  static std::vector<int64_t> integers(const PickleValue& value);
  PickleValue dict_from(const PickleValue& dict, const PickleValue& pairs) const;
  void build_tensor(TorchTensor& tensor, const PickleValue& state);
  void fill_from_numpy(TorchTensor& tensor, const PickleValue& shape, const PickleValue& dtype,
                       bool fortran_order, const PickleValue& data);
  std::string copied(const std::string& text);
  void charge(uint64_t bytes);

  PickleMode mode_;
  uint64_t copy_budget_;
};

/// "torch.FloatStorage", "torch.cuda.FloatStorage", …; false for another name.
bool find_storage_type(std::string_view global, ElementType* type, bool* untyped);
/// The global that stands for storages of `type`; null when there is none.
const char* storage_global_of(ElementType type);

}  // namespace trivium::formats
