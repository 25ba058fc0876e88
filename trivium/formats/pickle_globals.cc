#include "trivium/formats/pickle_globals.h"

#include <string_view>
#include <unordered_map>

#include "trivium/engine/core/error.h"

namespace trivium::formats {
namespace {

using Kind = PickleValue::Kind;

struct StorageRow {
  const char* name;
  ElementType type;
};

constexpr StorageRow kStorages[] = {
    {"FloatStorage", ElementType::f32},        {"DoubleStorage", ElementType::f64},
    {"HalfStorage", ElementType::f16},         {"BFloat16Storage", ElementType::bf16},
    {"LongStorage", ElementType::i64},         {"IntStorage", ElementType::i32},
    {"ShortStorage", ElementType::i16},        {"CharStorage", ElementType::i8},
    {"ByteStorage", ElementType::u8},          {"BoolStorage", ElementType::bool_},
    {"ComplexFloatStorage", ElementType::c64}, {"ComplexDoubleStorage", ElementType::c128},
};

/// Dtype globals whose name differs from that of the element type.
constexpr StorageRow kOtherDtypes[] = {
    {"float", ElementType::f32},  {"double", ElementType::f64},   {"half", ElementType::f16},
    {"long", ElementType::i64},   {"int", ElementType::i32},      {"short", ElementType::i16},
    {"cfloat", ElementType::c64}, {"cdouble", ElementType::c128},
};

bool starts_with(std::string_view text, std::string_view start) {
  return text.substr(0, start.size()) == start;
}

/// torch.FloatTensor, torch.cuda.FloatTensor: the classes of PyTorch 0.1 to 0.3.
bool find_tensor_class(std::string_view name, ElementType* type) {
  if (!starts_with(name, "torch.") || name.substr(name.size() - 6) != "Tensor") return false;
  bool untyped = false;
  return find_storage_type(std::string(name.substr(0, name.size() - 6)) + "Storage", type,
                           &untyped);
}

void need(const std::string& name, const std::vector<PickleValue>& args, size_t least,
          size_t most) {
  if (args.size() < least || args.size() > most)
    user_error("{:.80}: {} to {} arguments expected, {} received", name, least, most, args.size());
}

bool truth(const PickleValue& value) {
  return value.is(Kind::boolean) ? value.as_bool() : value.is(Kind::integer) && value.as_int() != 0;
}

[[noreturn]] void refuse_global(const std::string& name) {
  static const std::unordered_map<std::string_view, const char*> reasons = {
      {"torch._utils._rebuild_sparse_tensor", "sparse tensors are not supported"},
      {"torch._utils._rebuild_sparse_csr_tensor", "sparse tensors are not supported"},
      {"torch._utils._rebuild_qtensor", "quantized tensors are not supported"},
      {"torch._utils._rebuild_nested_tensor", "nested tensors are not supported"},
      {"torch._utils._rebuild_meta_tensor_no_storage", "a tensor on the meta device has no values"},
  };
  const auto known = reasons.find(name);
  if (known != reasons.end()) user_error("{}: {}", name, known->second);
  user_error(
      "the pickle refers to {}, which is not plain data; nothing is run. Inspect mode keeps it as "
      "an inert record",
      name);
}

}  // namespace

bool find_storage_type(std::string_view global, ElementType* type, bool* untyped) {
  *untyped = global == "torch.storage.UntypedStorage" || global == "torch.UntypedStorage";
  if (*untyped) {
    *type = ElementType::u8;
    return true;
  }
  for (const std::string_view prefix : {"torch.cuda.", "torch.storage.", "torch."})
    if (starts_with(global, prefix))
      for (const StorageRow& row : kStorages)
        if (global.substr(prefix.size()) == row.name) {
          *type = row.type;
          return true;
        }
  return false;
}

const char* storage_global_of(ElementType type) {
  for (const StorageRow& row : kStorages)
    if (row.type == type) return row.name;
  return nullptr;
}

std::vector<int64_t> PickleGlobals::integers(const PickleValue& value) {
  if (!value.is(Kind::tuple) && !value.is(Kind::list))
    user_error("a tuple of integers expected, {} found", value.describe());
  if (value.items().size() > 64) user_error("a tensor of {} axes", value.items().size());
  std::vector<int64_t> out;
  for (const PickleValue& item : value.items()) out.push_back(item.as_int());
  return out;
}

PickleGlobals::Constructor PickleGlobals::constructor_of(const std::string& name) {
  using G = PickleGlobals;
  static const std::unordered_map<std::string_view, Constructor> table = {
      {"collections.OrderedDict", &G::make_ordered_dict},
      {"collections.defaultdict", &G::make_dict},
      {"collections.Counter", &G::make_dict},
      {"builtins.dict", &G::make_dict},
      {"builtins.set", &G::make_sequence},
      {"builtins.frozenset", &G::make_sequence},
      {"builtins.list", &G::make_sequence},
      {"builtins.tuple", &G::make_sequence},
      {"torch.Size", &G::make_sequence},
      {"builtins.bytearray", &G::make_bytes},
      {"builtins.bytes", &G::make_bytes},
      {"builtins.complex", &G::make_record},
      {"_codecs.encode", &G::encode},
      {"torch.device", &G::make_device},
      {"torch.serialization._get_layout", &G::first_argument},
      {"torch.jit._pickle.restore_type_tag", &G::first_argument},
      {"torch.jit._pickle.build_intlist", &G::first_argument},
      {"torch.jit._pickle.build_doublelist", &G::first_argument},
      {"torch.jit._pickle.build_boollist", &G::first_argument},
      {"torch.jit._pickle.build_tensorlist", &G::first_argument},
      {"torch._utils._rebuild_tensor", &G::rebuild_tensor},
      {"torch._utils._rebuild_tensor_v2", &G::rebuild_tensor},
      {"torch._utils._rebuild_tensor_v3", &G::rebuild_tensor},
      {"torch._utils._rebuild_parameter", &G::rebuild_parameter},
      {"torch._utils._rebuild_parameter_with_state", &G::rebuild_parameter},
      {"torch._tensor._rebuild_from_type_v2", &G::rebuild_from_type},
      {"torch.nn.parameter.Parameter", &G::empty_tensor},
      {"torch.nn.parameter.Buffer", &G::empty_tensor},
      {"torch.autograd.variable.Variable", &G::empty_tensor},
      {"torch.Tensor", &G::empty_tensor},
      {"numpy.core.multiarray._reconstruct", &G::empty_tensor},
      {"numpy.core.multiarray.scalar", &G::numpy_scalar},
      {"numpy.core.numeric._frombuffer", &G::numpy_from_buffer},
      {"numpy.dtype", &G::make_record},
      {"numpy.ndarray", nullptr},
  };
  const auto found = table.find(name);
  if (found != table.end()) return found->second;
  ElementType type;
  if (find_tensor_class(name, &type)) return &G::empty_tensor;
  return nullptr;
}

PickleValue PickleGlobals::load(const std::string& module, const std::string& name) const {
  std::string full = module + "." + name;
  // Python 2 and NumPy 2 spell some modules differently.
  if (starts_with(full, "__builtin__.")) full.replace(0, 11, "builtins");
  if (starts_with(full, "numpy._core.")) full.replace(0, 11, "numpy.core");
  ElementType type;
  bool untyped = false;
  if (module == "torch") {
    if (find_element_type(name, &type)) return type;
    for (const StorageRow& row : kOtherDtypes)
      if (name == row.name) return row.type;
  }
  const bool known = full == "numpy.ndarray" || constructor_of(full) ||
                     find_storage_type(full, &type, &untyped) || starts_with(full, "__torch__.");
  if (!known && mode_ == PickleMode::strict) refuse_global(full);
  return PickleValue::global(std::move(full));
}

PickleValue PickleGlobals::call(const PickleValue& callee, const PickleValue& args) {
  if (!args.is(Kind::tuple)) user_error("arguments expected as a tuple, {} found", args.describe());
  if (callee.is(Kind::global)) {
    if (const Constructor constructor = constructor_of(callee.text()))
      return (this->*constructor)(callee.text(), args.items());
    if (mode_ == PickleMode::inspect || starts_with(callee.text(), "__torch__."))
      return PickleValue::record(callee.text(), args);
  }
  if (mode_ == PickleMode::inspect && (callee.is(Kind::record) || callee.is(Kind::dtype)))
    return PickleValue::record("called", PickleValue::tuple({callee, args}));
  user_error("{} is called: a constructor of plain data expected", callee.describe());
}

void PickleGlobals::build(const PickleValue& object, const PickleValue& state) {
  switch (object.kind()) {
    case Kind::dict:
      if (!state.is(Kind::dict) && !state.is_none())
        user_error("the attributes of a dict are {}: a dict expected", state.describe());
      return object.set_attributes(state);
    case Kind::tensor:
      return build_tensor(object.as_tensor(), state);
    case Kind::record:
      return object.set_state(state);
    default:
      if (mode_ == PickleMode::strict) user_error("{} cannot have a state", object.describe());
  }
}

void PickleGlobals::charge(uint64_t bytes) {
  if (bytes > copy_budget_)
    user_error("the pickle copies the same data again and again; refused as an attack");
  copy_budget_ -= bytes;
}

std::string PickleGlobals::copied(const std::string& text) {
  charge(text.size());
  return text;
}

PickleValue PickleGlobals::dict_from(const PickleValue& dict, const PickleValue& pairs) const {
  if (pairs.is(Kind::dict)) {
    for (const PickleValue::Entry& entry : pairs.entries())
      dict.set_entry(entry.first, entry.second);
    return dict;
  }
  for (const PickleValue& pair : pairs.items()) {
    if ((!pair.is(Kind::list) && !pair.is(Kind::tuple)) || pair.size() != 2)
      user_error("a pair of key and value expected, {} found", pair.describe());
    dict.set_entry(pair.items()[0], pair.items()[1]);
  }
  return dict;
}

PickleValue PickleGlobals::make_ordered_dict(const std::string& name, const Args& args) {
  need(name, args, 0, 1);
  if (args.empty()) return PickleValue::ordered_dict();
  charge(8 * args[0].size());
  return dict_from(PickleValue::ordered_dict(), args[0]);
}

PickleValue PickleGlobals::make_dict(const std::string& name, const Args& args) {
  need(name, args, 0, 2);
  // defaultdict(factory, pairs): what it would make for a missing key is code.
  const size_t at = name == "collections.defaultdict" ? 1 : 0;
  if (args.size() <= at) return PickleValue::dict();
  charge(8 * args[at].size());
  return dict_from(PickleValue::dict(), args[at]);
}

PickleValue PickleGlobals::make_sequence(const std::string& name, const Args& args) {
  need(name, args, 0, 1);
  std::vector<PickleValue> items;
  if (!args.empty()) {
    charge(4 * args[0].items().size());
    items = args[0].items();
  }
  if (name == "builtins.list") return PickleValue::list(std::move(items));
  if (name == "builtins.tuple" || name == "torch.Size") return PickleValue::tuple(std::move(items));
  return PickleValue::set(std::move(items));
}

PickleValue PickleGlobals::make_bytes(const std::string& name, const Args& args) {
  need(name, args, 0, 2);
  if (args.empty()) return PickleValue::bytes("");
  if (args.size() == 2) return encode(name, args);
  if (!args[0].is(Kind::list)) return PickleValue::bytes(copied(args[0].as_bytes()));
  charge(args[0].size());
  std::string raw;
  for (const PickleValue& item : args[0].items()) raw += static_cast<char>(item.as_int());
  return PickleValue::bytes(std::move(raw));
}

/// str.encode("latin1"): how protocol 2 carries bytes.
PickleValue PickleGlobals::encode(const std::string& name, const Args& args) {
  need(name, args, 2, 2);
  const std::string& codec = args[1].as_string();
  if (codec != "latin1" && codec != "latin-1" && codec != "iso-8859-1")
    user_error("{}: encoding latin1 expected, \"{:.40}\" received", name, codec);
  const std::string& text = args[0].as_string();
  charge(text.size());
  std::string raw;
  raw.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const auto lead = static_cast<uint8_t>(text[i]);
    if (lead < 0x80) {
      raw += text[i];
      continue;
    }
    if ((lead != 0xc2 && lead != 0xc3) || i + 1 == text.size())
      user_error("{}: a character that latin1 does not have", name);
    raw += static_cast<char>((lead & 3) << 6 | (static_cast<uint8_t>(text[++i]) & 0x3f));
  }
  return PickleValue::bytes(std::move(raw));
}

PickleValue PickleGlobals::make_record(const std::string& name, const Args& args) {
  need(name, args, 1, 4);
  return PickleValue::record(name, PickleValue::tuple(args));
}

PickleValue PickleGlobals::first_argument(const std::string& name, const Args& args) {
  need(name, args, 1, 2);
  return args[0];
}

PickleValue PickleGlobals::make_device(const std::string& name, const Args& args) {
  need(name, args, 1, 2);
  std::string device = args[0].as_string();
  if (device.size() > 64) user_error("{}: a name of {} bytes", name, device.size());
  if (args.size() == 2) device += fmt::format(":{}", args[1].as_int());
  return PickleValue::device(std::move(device));
}

PickleValue PickleGlobals::rebuild_tensor(const std::string& name, const Args& args) {
  const bool first = name == "torch._utils._rebuild_tensor", third = name.back() == '3';
  need(name, args, first ? 4 : third ? 7 : 6, first ? 4 : third ? 8 : 7);
  TorchTensor t;
  t.storage = args[0].as_storage();
  t.offset = args[1].as_int();
  t.size = integers(args[2]);
  t.stride = integers(args[3]);
  t.type = third ? args[6].as_dtype() : t.storage->type;
  if (!first) t.requires_grad = truth(args[4]);
  if (!first && args.size() == (third ? 8u : 7u) && args.back().is(Kind::dict))
    for (const PickleValue::Entry& entry : args.back().entries())
      if (entry.second.is(Kind::boolean) && entry.second.as_bool())
        user_error(
            "{}: a tensor with the bit {:.20} set is not supported; call .clone() before saving",
            name, entry.first.is(Kind::string) ? entry.first.text() : "?");
  check_window(t, name);
  return t;
}

PickleValue PickleGlobals::rebuild_parameter(const std::string& name, const Args& args) {
  need(name, args, 3, 4);
  TorchTensor t = args[0].as_tensor();
  t.parameter = true;
  t.requires_grad = truth(args[1]);
  return t;
}

/// (function, class, arguments, state): a tensor with attributes of its own, which are dropped.
PickleValue PickleGlobals::rebuild_from_type(const std::string& name, const Args& args) {
  need(name, args, 4, 4);
  // Another rebuild_from_type inside would let a short file recurse.
  if (args[0].is(Kind::global) && args[0].text() == name)
    user_error("{}: a constructor of tensors expected", name);
  return call(args[0], args[2]);
}

/// A tensor to be filled by BUILD; Parameter may be given its data at once.
PickleValue PickleGlobals::empty_tensor(const std::string& name, const Args& args) {
  TorchTensor t;
  if (!args.empty() && args[0].is(Kind::tensor)) t = args[0].as_tensor();
  if (starts_with(name, "torch.nn.parameter.")) t.parameter = true;
  if (args.size() > 1 && t.parameter) t.requires_grad = truth(args[1]);
  ElementType type;
  if (find_tensor_class(name, &type)) t.type = type;
  if (!t.storage) {
    t.storage = std::make_shared<TorchStorage>();
    t.storage->type = t.type;
    t.storage->buffer = Buffer::allocate(0);
    t.size = {0};
    t.stride = {1};
  }
  return t;
}

void PickleGlobals::build_tensor(TorchTensor& tensor, const PickleValue& state) {
  if (!state.is(Kind::tuple)) user_error("the state of a tensor is {}", state.describe());
  const Args& parts = state.items();
  // numpy.ndarray: (version, shape, dtype, fortran order, bytes)
  if (parts.size() == 5 && parts[2].is(Kind::record))
    return fill_from_numpy(tensor, parts[1], parts[2], truth(parts[3]), parts[4]);
  // Parameter: (data, grad, hooks, requires_grad, volatile)
  if (parts.size() == 5 && parts[0].is(Kind::tensor)) {
    TorchTensor data = parts[0].as_tensor();
    data.parameter = tensor.parameter;
    data.requires_grad = truth(parts[3]);
    tensor = data;
    return;
  }
  // Parameter made by its constructor: (requires_grad, volatile, hooks)
  if (parts.size() == 3 && parts[0].is(Kind::boolean)) {
    tensor.requires_grad = parts[0].as_bool();
    return;
  }
  // torch.FloatTensor: (storage, offset, size, stride)
  if (parts.size() != 4) user_error("the state of a tensor has {} parts", parts.size());
  TorchTensor t;
  t.storage = parts[0].as_storage();
  t.type = t.storage->type;
  t.offset = parts[1].as_int();
  t.size = integers(parts[2]);
  t.stride = integers(parts[3]);
  check_window(t, "the state of a tensor");
  tensor = t;
}

}  // namespace trivium::formats
