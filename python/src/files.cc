// torch.save files and safetensors: plain data of the readers as Python's objects, and back.
#include <nanobind/stl/string.h>

#include "python/src/tensor_type.h"
#include "trivium/formats/image.h"
#include "trivium/formats/safetensors.h"
#include "trivium/formats/torch_file.h"
#include "trivium/notations/nn/errors.h"

namespace trivium::python {

namespace {

using formats::PickleValue;
using formats::TorchTensor;
using Kind = PickleValue::Kind;

/// Turns a loaded value into Python's objects. Storages shared by tensors stay shared.
class Loader {
 public:
  explicit Loader(nb::handle helpers) : helpers_(helpers) {}

  nb::object value(const PickleValue& v) {
    switch (v.kind()) {
      case Kind::none:
        return nb::none();
      case Kind::boolean:
        return nb::bool_(v.as_bool());
      case Kind::integer:
        return nb::int_(v.as_int());
      case Kind::big_integer:
        return helpers_["big_integer"](bytes(v.text()));
      case Kind::real:
        return nb::float_(v.as_double());
      case Kind::string:
        return nb::str(v.text().data(), v.text().size());
      case Kind::bytes:
        return bytes(v.text());
      case Kind::tuple:
        return nb::tuple(items(v));
      case Kind::list:
        return items(v);
      case Kind::set:
        return helpers_["set"](items(v));
      case Kind::dict:
        return dict(v);
      case Kind::tensor:
        return tensor(v);
      case Kind::storage:
        return helpers_["storage"](nb::str("storage"));
      case Kind::dtype:
        return dtype(v);
      case Kind::device:
        return helpers_["device"](nb::str(v.text().c_str()));
      case Kind::global:
        return helpers_["global"](nb::str(v.text().c_str()));
      case Kind::record:
        return record(v);
    }
    return nb::none();
  }

 private:
  static nb::object bytes(const std::string& s) { return nb::bytes(s.data(), s.size()); }

  nb::object seen(const PickleValue& v, nb::object made) {
    if (v.identity()) known_.emplace_back(v.identity(), made);
    return made;
  }
  nb::object find(const PickleValue& v) {
    for (const auto& [id, object] : known_)
      if (id && id == v.identity()) return object;
    return {};
  }
  nb::list items(const PickleValue& v) {
    nb::list l;
    for (const PickleValue& item : v.items()) l.append(value(item));
    return l;
  }
  nb::object dict(const PickleValue& v) {
    nb::object d = v.ordered() ? helpers_["ordered_dict"]() : nb::object(nb::dict());
    for (const auto& [key, entry] : v.entries()) {
      nb::object k = value(key), e = value(entry);
      check(PyObject_SetItem(d.ptr(), k.ptr(), e.ptr()) == 0);
    }
    if (v.ordered() && !v.attributes().is_none())
      for (const auto& [key, entry] : v.attributes().entries())
        d.attr(key.as_string().c_str()) = value(entry);
    return d;
  }
  nb::object dtype(const PickleValue& v) {
    return nb::borrow(dtype_object(parse_dtype(formats::name_of(v.as_dtype()))));
  }
  nb::object tensor(const PickleValue& v) {
    if (nb::object before = find(v); before.is_valid()) return before;
    const TorchTensor& t = v.as_tensor();
    Tensor made = window(t);
    nb::object o = nb::steal(wrap(made));
    if (t.storage->key.empty()) return seen(v, helpers_["array"](o));  // NumPy's, not a tensor
    if (t.parameter)
      o = helpers_["parameter"](o, nb::bool_(t.requires_grad));
    else if (t.requires_grad)
      made.set_requires_grad(true);
    return seen(v, o);
  }
  /// A tensor on its storage; tensors on one storage share it when their windows are plain.
  Tensor window(const TorchTensor& t) {
    if (t.storage->untyped || element_type_of_storage(t) != t.type || needs_copy(t))
      return Tensor(array_of(t));
    Tensor& base = bases_[t.storage.get()];
    if (!base.defined()) {
      TorchTensor all = t;
      all.offset = 0;
      all.size = {t.storage->count};
      all.stride = {1};
      base = Tensor(array_of(all));
    }
    const int64_t n = t.count();
    Tensor flat = t.offset == 0 && n == base.numel() ? base : base.slice(0, t.offset, t.offset + n);
    Tensor shaped = flat.view(Dims(t.size));
    return shaped.same_as(base) ? base.view(Dims(t.size)) : shaped;
  }
  static formats::ElementType element_type_of_storage(const TorchTensor& t) {
    return t.storage->type;
  }
  nb::object record(const PickleValue& v) {
    return helpers_["record"](nb::str(v.name().c_str()), value(v.args()), value(v.state()));
  }

  nb::handle helpers_;
  std::vector<std::pair<const void*, nb::object>> known_;
  std::unordered_map<const void*, Tensor> bases_;
};

/// Python's objects as what the writer takes. `seen` keeps shared containers shared.
class Saver {
 public:
  PickleValue value(nb::handle o) {
    PyObject* p = o.ptr();
    if (p == Py_None) return {};
    if (PyBool_Check(p)) return p == Py_True;
    if (PyLong_CheckExact(p)) return integer(p);
    if (PyFloat_Check(p)) return PyFloat_AS_DOUBLE(p);
    if (PyUnicode_Check(p)) return std::string(PyUnicode_AsUTF8(p));
    if (PyBytes_Check(p))
      return PickleValue::bytes({PyBytes_AS_STRING(p), size_t(PyBytes_GET_SIZE(p))});
    if (is_dtype(p)) return formats::element_type_of(dtype_of(p));
    for (const auto& [id, made] : known_)
      if (id == p) return made;
    if (is_tensor(p)) return keep(p, tensor(p));
    if (PyDict_Check(p)) return dict(p);
    if (PyTuple_Check(p)) return keep(p, PickleValue::tuple(items(p)));
    if (PyList_Check(p)) return keep(p, PickleValue::list(items(p)));
    if (PyAnySet_Check(p)) {
      nb::object l = nb::steal(PySequence_List(p));
      return PickleValue::set(items(l.ptr()));
    }
    if (given.cpu && Py_TYPE(p) == Py_TYPE(given.cpu)) {
      nb::object text = nb::steal(PyObject_Str(p));
      return PickleValue::device(PyUnicode_AsUTF8(text.ptr()));
    }
    type_error(std::string("not plain data: ") + Py_TYPE(p)->tp_name);
  }

 private:
  PickleValue keep(PyObject* p, PickleValue v) {
    known_.emplace_back(p, v);
    return v;
  }
  PickleValue integer(PyObject* p) {
    int overflow = 0;
    const long long v = PyLong_AsLongLongAndOverflow(p, &overflow);
    if (overflow) type_error("not plain data: a whole number beyond int64");
    return static_cast<int64_t>(v);
  }
  std::vector<PickleValue> items(PyObject* p) {
    std::vector<PickleValue> v;
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(p); ++i)
      v.push_back(value(PySequence_Fast_GET_ITEM(p, i)));
    return v;
  }
  PickleValue dict(PyObject* p) {
    const bool ordered = !PyDict_CheckExact(p);
    PickleValue d = ordered ? PickleValue::ordered_dict() : PickleValue::dict();
    known_.emplace_back(p, d);
    PyObject *key, *entry;
    Py_ssize_t at = 0;
    while (PyDict_Next(p, &at, &key, &entry)) d.set_entry(value(key), value(entry));
    if (ordered) {
      nb::object metadata = nb::steal(PyObject_GetAttrString(p, "_metadata"));
      if (metadata.is_valid()) {
        PickleValue attributes = PickleValue::dict();
        attributes.set_entry(std::string("_metadata"), value(metadata));
        d.set_attributes(attributes);
      } else {
        PyErr_Clear();
      }
    }
    return d;
  }
  PickleValue tensor(PyObject* p) {
    const Tensor& t = tensor_in(p);
    const record::Var::Exported e = t.share();
    exported_.push_back(e.token);
    TorchTensor out;
    out.type = formats::element_type_of(t.dtype());
    out.offset = e.offset;
    out.size = t.shape().vec();
    out.stride = e.strides;
    auto& storage = storages_[e.base.buffer().get()];
    if (!storage) {
      storage = std::make_shared<formats::TorchStorage>();
      storage->type = out.type;
      storage->buffer = e.base.buffer();
      storage->offset_bytes =
          static_cast<char*>(e.base.raw()) - static_cast<char*>(e.base.buffer()->data());
      storage->count = e.base.count();
    }
    out.storage = storage;
    out.requires_grad = t.requires_grad() && t.is_leaf();
    nb::object parameter = nb::steal(PyObject_GetAttrString(p, "_is_param"));
    if (!parameter.is_valid()) PyErr_Clear();
    out.parameter = parameter.is_valid() && parameter.ptr() == Py_True;
    return out;
  }

  std::vector<std::pair<PyObject*, PickleValue>> known_;
  std::unordered_map<const void*, std::shared_ptr<formats::TorchStorage>> storages_;
  std::vector<std::shared_ptr<void>> exported_;
};

template <typename F>
auto translated(F f) -> decltype(f()) {
  try {
    return f();
  } catch (nb::python_error&) {
    throw;
  } catch (...) {
    translate_exception();
    throw nb::python_error();
  }
}

}  // namespace

void define_files(nb::module_& m) {
  m.def("_load_torch", [](const std::string& path, bool inspect, nb::handle helpers) {
    return translated([&] {
      const auto mode = inspect ? formats::PickleMode::inspect : formats::PickleMode::strict;
      return Loader(helpers).value(formats::load_torch(path, mode));
    });
  });
  m.def("_parse_torch",
        [](nb::bytes data, const std::string& name, bool inspect, nb::handle helpers) {
          return translated([&] {
            formats::PickleOptions options;
            options.mode = inspect ? formats::PickleMode::inspect : formats::PickleMode::strict;
            const formats::Bytes bytes{reinterpret_cast<const uint8_t*>(data.c_str()), data.size()};
            return Loader(helpers).value(formats::parse_torch(bytes, name, options));
          });
        });
  m.def("_save_torch", [](const std::string& path, nb::handle object) {
    translated([&] {
      Saver saver;
      formats::save_torch(path, saver.value(object));
      return 0;
    });
  });
  // u8 [height, width, 3], blue first.
  m.def("_decode_image", [](const std::string& path) {
    return translated([&] {
      return nb::steal(wrap(Tensor(formats::read_image(path, formats::ImageMode::color))));
    });
  });
  m.def("_load_safetensors", [](const std::string& path) {
    return translated([&] {
      nb::dict d;
      for (const auto& [name, array] : formats::load_safetensors(path))
        d[name.c_str()] = nb::steal(wrap(Tensor(array)));
      return d;
    });
  });
  m.def("_save_safetensors", [](const std::string& path, nb::dict tensors, nb::dict metadata) {
    translated([&] {
      std::vector<std::pair<std::string, Array>> list;
      for (auto [key, value] : tensors) {
        if (!is_tensor(value.ptr())) type_error("safetensors files hold tensors only");
        list.emplace_back(nb::cast<std::string>(key), tensor_in(value.ptr()).array());
      }
      std::map<std::string, std::string> notes;
      for (auto [key, value] : metadata)
        notes[nb::cast<std::string>(key)] = nb::cast<std::string>(value);
      formats::save_safetensors(path, list, notes);
      return 0;
    });
  });
}

}  // namespace trivium::python
