// Graph files for Python: GraphDefs as bytes in and out, the schema of TensorFlow's messages, and
// SavedModel directories.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include "trivium/engine/core/parallel.h"
#include "trivium/engine/run/profile.h"
#include "trivium/formats/event_file.h"
#include "trivium/formats/proto/tf_record.pb.h"
#include "trivium/formats/saved_model.h"
#include "trivium/notations/tf/graph_def.h"
#include "trivium/notations/tf/saver.h"
#include "trivium/tf.h"
#include "values.h"

namespace trivium::tf {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

nb::bytes bytes_of(const std::string& text) { return nb::bytes(text.data(), text.size()); }
std::string text_of(const nb::bytes& bytes) { return {bytes.c_str(), bytes.size()}; }
formats::Bytes view_of(const nb::bytes& bytes) {
  return {reinterpret_cast<const uint8_t*>(bytes.c_str()), bytes.size()};
}

template <typename M>
M parsed(const nb::bytes& bytes, const char* what) {
  M message;
  if (bytes.size() > 0) formats::parse_tf_binary(view_of(bytes), what, what, &message);
  return message;
}

// ---- the schema

const google::protobuf::FileDescriptor* const* schema_files() {
  static const google::protobuf::FileDescriptor* const files[] = {
      formats::tf_proto::GraphDef::descriptor()->file(),
      formats::tf_proto::SavedModel::descriptor()->file(),
      formats::tf_proto::Summary::descriptor()->file(), nullptr};
  return files;
}

/// A name without the package: "AttrValue.ListValue".
std::string short_name(const std::string& full) {
  return full.substr(sizeof("trivium.tf.proto.") - 1);
}

nb::object field_row(const FieldDescriptor& f) {
  nb::object of = nb::none();
  if (f.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE)
    of = nb::cast(short_name(f.message_type()->full_name()));
  else if (f.cpp_type() == FieldDescriptor::CPPTYPE_ENUM)
    of = nb::cast(short_name(f.enum_type()->full_name()));
  const auto* oneof = f.real_containing_oneof();
  return nb::make_tuple(f.number(), f.name(), f.type_name(),
                        f.is_map()        ? "map"
                        : f.is_repeated() ? "list"
                                          : "one",
                        of, oneof ? nb::cast(oneof->name()) : nb::none(), f.is_packed());
}

void add_messages(const Descriptor& d, nb::dict* out) {
  nb::list fields;
  for (int i = 0; i < d.field_count(); ++i) fields.append(field_row(*d.field(i)));
  (*out)[short_name(d.full_name()).c_str()] = fields;
  for (int i = 0; i < d.nested_type_count(); ++i) add_messages(*d.nested_type(i), out);
}

template <typename Scope>
void add_enums(const Scope& scope, nb::dict* out) {
  for (int i = 0; i < scope.enum_type_count(); ++i) {
    const auto* e = scope.enum_type(i);
    nb::dict values;
    for (int k = 0; k < e->value_count(); ++k)
      values[e->value(k)->name().c_str()] = e->value(k)->number();
    (*out)[short_name(e->full_name()).c_str()] = values;
  }
}

void add_nested_enums(const Descriptor& d, nb::dict* out) {
  add_enums(d, out);
  for (int i = 0; i < d.nested_type_count(); ++i) add_nested_enums(*d.nested_type(i), out);
}

std::unique_ptr<Message> message_of(const std::string& name) {
  for (const auto* const* file = schema_files(); *file; ++file)
    if (const Descriptor* d = (*file)->pool()->FindMessageTypeByName("trivium.tf.proto." + name))
      return std::unique_ptr<Message>(
          google::protobuf::MessageFactory::generated_factory()->GetPrototype(d)->New());
  raise<ValueError>("there is no message type {}", name);
}

void bind_schema(nb::module_& m) {
  // {message: [(number, name, type, "one" | "list" | "map", of what, oneof, packed)]}
  m.def("proto_messages", [] {
    nb::dict out;
    for (const auto* const* file = schema_files(); *file; ++file)
      for (int i = 0; i < (*file)->message_type_count(); ++i)
        add_messages(*(*file)->message_type(i), &out);
    return out;
  });
  m.def("proto_enums", [] {
    nb::dict out;
    for (const auto* const* file = schema_files(); *file; ++file) {
      add_enums(**file, &out);
      for (int i = 0; i < (*file)->message_type_count(); ++i)
        add_nested_enums(*(*file)->message_type(i), &out);
    }
    return out;
  });
  m.def("proto_to_text", [](const std::string& type, const nb::bytes& bytes) {
    const auto message = message_of(type);
    if (!message->ParseFromArray(bytes.c_str(), static_cast<int>(bytes.size())))
      raise<ValueError>("the bytes are no {}", type);
    return formats::text_of_tf(*message);
  });
  m.def("proto_from_text",
        [](const std::string& type, const std::string& text, const std::string& name) {
          const auto message = message_of(type);
          formats::parse_tf_text(text, name, ("a " + type).c_str(), message.get());
          return bytes_of(formats::serialize_tf(*message, name));
        });
  m.def("proto_from_file", [](const std::string& type, const std::string& path) {
    const auto message = message_of(type);
    formats::read_tf(path, ("a " + type).c_str(), message.get());
    return bytes_of(formats::serialize_tf(*message, path));
  });
  m.def("proto_to_file",
        [](const std::string& type, const nb::bytes& bytes, const std::string& path, bool text) {
          const auto message = message_of(type);
          if (!message->ParseFromArray(bytes.c_str(), static_cast<int>(bytes.size())))
            raise<ValueError>("the bytes are no {}", type);
          formats::write_tf(path, *message, text ? formats::TfForm::text : formats::TfForm::binary);
        });
}

// ---- graphs

nb::object import_bytes(const nb::bytes& graph, const std::string& name, nb::dict input_map,
                        std::vector<std::string> elements, bool strict, const std::string& site) {
  const auto def = parsed<formats::tf_proto::GraphDef>(graph, "graph_def");
  ImportOptions options;
  options.name = name;
  options.return_elements = std::move(elements);
  options.strict = strict;
  for (auto item : input_map)
    options.input_map[nb::cast<std::string>(item.first)] = nb::cast<Tensor>(item.second);
  const auto target = default_graph();
  target->set_site(site);
  Imported imported;
  try {
    imported = import_graph(def, options);
  } catch (...) {
    target->set_site("");
    throw;
  }
  target->set_site("");
  nb::list returned;
  for (const auto& [op, index] : imported.returned)
    returned.append(index < 0 ? nb::cast(op) : nb::cast(Tensor(op, index)));
  return nb::make_tuple(returned, imported.not_supported, imported.scope);
}

Array value_in(Session& session, const std::string& name) {
  Operation* op = session.graph()->find(name);
  if (!op) raise<ValueError>("the session's graph has no variable \"{}\"", name);
  auto parts = std::make_shared<VariableParts>();
  parts->op = op;
  const Array value = session.value_of(Variable(parts));
  if (!value.defined())
    throw OpError(Code::failed_precondition, "Attempting to use uninitialized value " + name, name);
  return value;
}

void bind_graphs(nb::module_& m) {
  m.def("export_graph", [](Graph& graph, bool add_shapes, int from_version) {
    const Exported out = export_graph(graph, {add_shapes, from_version});
    return nb::make_tuple(bytes_of(formats::serialize_tf(out.graph, "the graph")), out.left_out);
  });
  // One node; the second is "" or why there is none.
  m.def("export_operation", [](Operation& op) {
    formats::tf_proto::NodeDef node;
    const std::string reason = export_node(op, &node);
    return nb::make_tuple(bytes_of(formats::serialize_tf(node, op.name())), reason);
  });
  m.def("import_graph", &import_bytes);
  m.def("extract_sub_graph", [](const nb::bytes& graph, const std::vector<std::string>& outputs) {
    const auto def = parsed<formats::tf_proto::GraphDef>(graph, "graph_def");
    return bytes_of(formats::serialize_tf(formats::extract_sub_graph(def, outputs), "the graph"));
  });
  m.def("freeze_graph",
        [](Session& session, const nb::bytes& graph, const std::vector<std::string>& outputs,
           const std::vector<std::string>& kept) {
          const auto def = parsed<formats::tf_proto::GraphDef>(graph, "graph_def");
          const auto frozen = formats::freeze_graph(
              def, outputs, [&](const std::string& key) { return value_in(session, key); }, kept);
          return bytes_of(formats::serialize_tf(frozen, "the graph"));
        });
}

void bind_saved_models(nb::module_& m) {
  m.def("is_saved_model", &formats::is_saved_model);
  m.def("read_saved_model", [](const std::string& directory) {
    const formats::SavedModelDirectory model(directory);
    return bytes_of(formats::serialize_tf(model.proto(), directory));
  });
  // variables: [(key, array)]; assets: [(name, bytes)].
  m.def("write_saved_model", [](const std::string& directory, const nb::bytes& model,
                                nb::list variables, nb::list assets, bool text) {
    formats::SavedModelParts parts;
    parts.proto = parsed<formats::tf_proto::SavedModel>(model, "saved_model");
    std::vector<std::pair<std::string, Data>> values;
    for (nb::handle item : variables) {
      nb::tuple pair = nb::cast<nb::tuple>(item);
      values.emplace_back(nb::cast<std::string>(pair[0]), data_of_numpy(pair[1]));
    }
    if (!values.empty())
      parts.variables = [&values](formats::CheckpointWriter& writer) {
        for (const auto& [key, value] : values)
          if (value.strings)
            writer.add_strings(key, {value.strings->shape, value.strings->values});
          else
            writer.add(key, value.array);
      };
    for (nb::handle item : assets) {
      nb::tuple pair = nb::cast<nb::tuple>(item);
      parts.assets.emplace_back(nb::cast<std::string>(pair[0]),
                                text_of(nb::cast<nb::bytes>(pair[1])));
    }
    formats::write_saved_model(directory, parts,
                               text ? formats::TfForm::text : formats::TfForm::binary);
  });
  m.def("clear_collection",
        [](Graph& graph, const std::string& key) { graph.clear_collection(key); });
  m.def("has_initial_value", [](const Variable& v) { return v.initial_value().defined(); });
  m.def("collection_names", [](Graph& graph) { return graph.collection_names(); });
}

// ---- savers, events, traces

void bind_savers(nb::module_& m) {
  // [(key, Variable)] -> (filename tensor, save tensor, restore operation)
  m.def("add_saver_nodes", [](nb::list variables, const std::string& name) {
    train::KeyedVariables keyed;
    for (nb::handle item : variables) {
      nb::tuple pair = nb::cast<nb::tuple>(item);
      keyed.emplace_back(nb::cast<std::string>(pair[0]), nb::cast<Variable>(pair[1]));
    }
    const train::SaverNodes nodes = train::add_saver_nodes(std::move(keyed), name);
    return nb::make_tuple(nodes.filename, nodes.save, nodes.restore);
  });
  m.def("restored_variables", [](Operation& op) { return train::restored_variables(op); });
  // A variable out of the operations it consists of; the initial value may be missing.
  m.def(
      "variable_of_parts",
      [](const std::shared_ptr<Operation>& op, const std::shared_ptr<Operation>& initializer,
         const Tensor& read, nb::object initial, bool trainable) {
        auto parts = std::make_shared<VariableParts>();
        parts->op = op.get();
        parts->initializer = initializer.get();
        parts->read = {read.op(), read.index()};
        if (!initial.is_none()) {
          const auto value = nb::cast<Tensor>(initial);
          parts->initial_value = {value.op(), value.index()};
        }
        parts->trainable = trainable;
        return Variable(op->graph().own(std::move(parts)));
      },
      nb::arg("op"), nb::arg("initializer"), nb::arg("read"), nb::arg("initial").none(),
      nb::arg("trainable"));
  m.def("write_event", [](formats::EventWriter& writer, const nb::bytes& event) {
    writer.add_event(parsed<formats::tf_proto::Event>(event, "event"));
  });
  m.def("read_events", [](const std::string& path) {
    formats::EventReader reader(path);
    nb::list out;
    formats::tf_proto::Event event;
    while (reader.next(&event)) out.append(bytes_of(formats::serialize_tf(event, path)));
    return out;
  });
  // Chrome's trace of what a function runs in a session.
  m.def("traced", [](Session& session, nb::callable body) {
    run::Profile profile;
    session.set_profile(&profile);
    nb::object result;
    try {
      result = body();
    } catch (...) {
      session.set_profile(nullptr);
      throw;
    }
    session.set_profile(nullptr);
    return nb::make_tuple(result, profile.chrome_trace());
  });
  m.def("set_threads", &set_threads);
  m.def("threads", &threads);
}

}  // namespace

void bind_graph_files(nb::module_& m) {
  bind_savers(m);
  bind_schema(m);
  bind_graphs(m);
  bind_saved_models(m);
}

}  // namespace trivium::tf
