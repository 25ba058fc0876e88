// What trivium.tf's data sets, queues and Python functions need: operations whose work is Python,
// shuffles, TFRecord files and Examples.
#include "trivium/notations/tf/host.h"
#include "trivium/formats/tf_example.h"
#include "trivium/formats/tfrecord.h"
#include "trivium/notations/tf/shuffle.h"
#include "values.h"

namespace trivium::tf {
namespace {

using formats::Feature;

/// Python's function is called with the session's key and the values; the interpreter's lock is
/// taken for it.
HostFunction host_function_of(nb::object fn) {
  auto kept = std::shared_ptr<nb::object>(new nb::object(fn), [](nb::object* p) {
    if (!nb::is_alive()) return;
    nb::gil_scoped_acquire lock;
    delete p;
  });
  return [kept](Session& session, const std::vector<Data>& inputs) {
    nb::gil_scoped_acquire lock;
    nb::list values;
    for (const Data& d : inputs) values.append(numpy_of(d));
    std::vector<Data> results;
    nb::object made = (*kept)(reinterpret_cast<size_t>(&session), values);
    for (nb::handle h : made) results.push_back(data_of_numpy(h));
    return results;
  };
}

nb::object features_out(const formats::Features& features) {
  nb::dict out;
  for (const auto& [key, f] : features) {
    nb::list values;
    for (const std::string& v : f.bytes) values.append(nb::bytes(v.data(), v.size()));
    for (float v : f.floats) values.append(v);
    for (int64_t v : f.ints) values.append(v);
    const char* kind = f.kind == Feature::Kind::bytes    ? "bytes"
                       : f.kind == Feature::Kind::floats ? "floats"
                       : f.kind == Feature::Kind::ints   ? "ints"
                                                         : "";
    out[key.c_str()] = nb::make_tuple(kind, values);
  }
  return out;
}

std::string text_of(nb::handle h) {
  const auto b = nb::cast<nb::bytes>(h);
  return {b.c_str(), b.size()};
}

formats::RecordCompression compression_of(const std::string& name, bool reading) {
  using formats::RecordCompression;
  if (name == "GZIP") return RecordCompression::gzip;
  if (name == "ZLIB") return RecordCompression::zlib;
  if (!name.empty()) raise<ValueError>("compression is \"\", \"GZIP\" or \"ZLIB\", not {}", name);
  return reading ? RecordCompression::detect : RecordCompression::none;
}

/// A file that is not there, and bytes that are damaged, carry TensorFlow's classes.
template <typename Fn>
auto of_records(const std::string& path, Fn fn) {
  try {
    return fn();
  } catch (const EnvironmentError& e) {
    throw OpError(Code::not_found,
                  fmt::format("{}; No such file or directory ({})", path, e.what()));
  } catch (const OpError&) {
    throw;
  } catch (const UserError& e) {
    throw OpError(Code::data_loss, e.what());
  }
}

void bind_records(nb::module_& m) {
  using namespace formats;
  nb::class_<TFRecordReader>(m, "RecordReader")
      .def("__init__",
           [](TFRecordReader* self, const std::string& path, const std::string& compression) {
             TFRecordOptions options;
             options.compression = compression_of(compression, true);
             of_records(path, [&] { return new (self) TFRecordReader(path, options); });
           })
      .def("next", [](TFRecordReader& r) -> nb::object {
        std::string record;
        const bool more = of_records("", [&] { return r.next(&record); });
        return more ? nb::object(nb::bytes(record.data(), record.size())) : nb::none();
      });
  nb::class_<TFRecordWriter>(m, "RecordWriter")
      .def("__init__",
           [](TFRecordWriter* self, const std::string& path, const std::string& compression) {
             new (self) TFRecordWriter(path, compression_of(compression, false));
           })
      .def("write", [](TFRecordWriter& w, nb::bytes record) { w.write(text_of(record)); })
      .def("flush", &TFRecordWriter::flush)
      .def("close", &TFRecordWriter::close);
  m.def("parse_example", [](nb::bytes text) {
    try {
      return features_out(
          formats::parse_example(as_bytes(std::string_view(text.c_str(), text.size()))));
    } catch (const UserError& e) {
      throw OpError(Code::invalid_argument,
                    std::string("Could not parse example input: ") + e.what());
    }
  });
  m.def("parse_sequence_example", [](nb::bytes text) {
    const SequenceExample e =
        formats::parse_sequence_example(as_bytes(std::string_view(text.c_str(), text.size())));
    nb::dict lists;
    for (const auto& [key, steps] : e.lists) {
      nb::list out;
      for (const Feature& f : steps) out.append(features_out({{"", f}})[""]);
      lists[key.c_str()] = out;
    }
    return nb::make_tuple(features_out(e.context), lists);
  });
}

}  // namespace

void bind_host(nb::module_& m) {
  m.def("host_operation", [](const std::string& type, nb::list inputs, nb::list outputs,
                             nb::object fn, const std::string& name) {
    std::vector<std::pair<DataType, PartialShape>> outs;
    for (nb::handle h : outputs) {
      const nb::tuple t = nb::cast<nb::tuple>(h);
      outs.emplace_back(type_in(nb::cast<std::string>(t[0])), shape_in(t[1]));
    }
    return host_operation(type, inputs_of(inputs), outs, host_function_of(fn), name);
  });
  nb::class_<Shuffler>(m, "Shuffler")
      .def(nb::init<uint64_t, uint64_t>())
      .def("word", &Shuffler::word)
      .def("order", [](Shuffler& s, int64_t n, int64_t buffer) {
        const std::vector<int64_t> order = s.order(n, buffer);
        return numpy_of(Data(Array::from(order, Shape{n})));
      });
  bind_records(m);
}

}  // namespace trivium::tf
