// trivium.tf._tf: the graph, its operations and sessions as Python objects. The package beside it
// gives them TensorFlow's names and turns Python values into arrays.
#include "trivium/formats/checkpoint_file.h"
#include "trivium/formats/checkpoint_state.h"
#include "trivium/formats/event_file.h"
#include "trivium/notations/tf/op_spec.h"
#include "trivium/tf.h"
#include "values.h"

namespace trivium::tf {
namespace {

AttrData attr_in(nb::handle h) {
  if (nb::isinstance<nb::bool_>(h)) return nb::cast<bool>(h);
  if (nb::isinstance<nb::int_>(h)) return nb::cast<int64_t>(h);
  if (nb::isinstance<nb::float_>(h)) return nb::cast<double>(h);
  if (nb::isinstance<nb::str>(h)) return nb::cast<std::string>(h);
  const std::string kind = nb::cast<std::string>(h.type().attr("__name__"));
  if (kind == "DType") return parse_data_type(nb::cast<std::string>(h.attr("name")));
  if (kind == "TensorShape") return shape_in(h.attr("_dims"));
  return nb::cast<std::vector<int64_t>>(h);
}

nb::object attr_out(const AttrData& value) {
  return std::visit(
      [](const auto& v) -> nb::object {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, DataType>)
          return nb::cast(name_of(v));
        else if constexpr (std::is_same_v<T, PartialShape>)
          return shape_out(v);
        else if constexpr (std::is_same_v<T, Data>)
          return numpy_of(v);
        else if constexpr (std::is_same_v<T, std::vector<DataType>>) {
          nb::list out;
          for (const DataType t : v) out.append(name_of(t));
          return out;
        } else if constexpr (std::is_same_v<T, std::vector<PartialShape>>) {
          nb::list out;
          for (const PartialShape& s : v) out.append(shape_out(s));
          return out;
        } else
          return nb::cast(v);
      },
      value);
}

AttrMap attrs_in(nb::dict given) {
  AttrMap attrs;
  for (auto item : given) attrs[nb::cast<std::string>(item.first)] = attr_in(item.second);
  return attrs;
}

// ---- the graph

/// One operation: inputs are (argument name, value, dtype or "") triples.
std::shared_ptr<Operation> build(const std::string& type, const std::string& name, nb::list inputs,
                                 nb::dict attrs, const std::string& fallback) {
  Build b(type, name.empty() ? fallback : name);
  for (nb::handle item : inputs) {
    nb::tuple t = nb::cast<nb::tuple>(item);
    const std::string wanted = nb::cast<std::string>(t[2]);
    b.in(input_of(t[1]), nb::cast<std::string>(t[0]),
         wanted.empty() ? DataType::invalid : parse_data_type(wanted));
  }
  for (auto& a : attrs_in(attrs)) b.attr(a.first, a.second);
  return b.op();
}

void bind_graph(nb::module_& m) {
  nb::class_<Graph>(m, "Graph")
      .def_static("make", &Graph::make)
      .def("size", &Graph::size)
      .def("op", [](Graph& g, int id) { return g.handle(g.op(id)); })
      .def("operation_by_name", &Graph::operation_by_name)
      .def("tensor_by_name", &Graph::tensor_by_name)
      .def("unique_name", &Graph::unique_name, nb::arg("name"), nb::arg("mark") = true)
      .def("push_scope", &Graph::push_scope)
      .def("pop_scope", &Graph::pop_scope)
      .def("scope", [](Graph& g) { return g.scope(); })
      .def("push_control",
           [](Graph& g, std::vector<std::shared_ptr<Operation>> ops, bool clear) {
             std::vector<Operation*> raw;
             for (auto& op : ops) raw.push_back(op.get());
             g.push_control(raw, clear);
           })
      .def("pop_control", &Graph::pop_control)
      .def("push_device", &Graph::push_device)
      .def("pop_device", &Graph::pop_device)
      .def("finalize", [](Graph& g) { g.finalize(); })
      .def("_unfinalize", [](Graph& g) { g.finalize(false); })
      .def("finalized", &Graph::finalized)
      .def("set_seed",
           [](Graph& g, nb::object seed) {
             g.set_seed(seed.is_none() ? std::nullopt : std::optional(nb::cast<int64_t>(seed)));
           })
      .def("op_seeds", &Graph::op_seeds, nb::arg("seed").none())
      .def("seed_of", &Graph::seed)
      .def("set_capture",
           [](Graph& g, nb::object fn) {
             // A graph may outlive the interpreter; what it holds of Python then stays.
             const std::shared_ptr<nb::object> kept(new nb::object(fn), [](nb::object* p) {
               if (nb::is_alive()) delete p;
             });
             g.set_capture([kept](const Tensor& t) { return nb::cast<Tensor>((*kept)(t)); });
           })
      .def(
          "set_device_finder",
          [](Graph& g, nb::object fn) {
            if (fn.is_none())
              g.set_device_finder(nullptr);
            else
              g.set_device_finder([fn](Operation& op) {
                return nb::cast<std::string>(fn(op.self(), op.device()));
              });
          },
          nb::arg("finder").none())
      .def("collection",
           [](Graph& g, const std::string& key) {
             nb::list out;
             for (const CollectionItem& item : g.collection(key)) {
               if (auto* t = std::get_if<Tensor>(&item)) out.append(nb::cast(*t));
               if (auto* op = std::get_if<std::shared_ptr<Operation>>(&item))
                 out.append(nb::cast(*op));
               if (auto* v = std::get_if<std::shared_ptr<VariableParts>>(&item))
                 out.append(nb::cast(Variable(*v)));
             }
             return out;
           })
      .def("add_variable", [](Graph& g, const std::string& key,
                              const Variable& v) { g.add_to_collection(key, v.parts()); })
      .def("state", [](Graph& g) {
        if (!g.companion())
          g.companion() = std::shared_ptr<void>(new nb::dict, [](void* p) {
            if (nb::is_alive()) {
              nb::gil_scoped_acquire lock;
              delete static_cast<nb::dict*>(p);
            }
          });
        return *static_cast<nb::dict*>(g.companion().get());
      });
  nb::class_<Operation>(m, "Operation")
      .def_prop_ro("name", &Operation::name)
      .def_prop_ro("type", &Operation::type)
      .def_prop_ro("device", &Operation::device)
      .def_prop_ro("site", &Operation::site)
      .def_prop_ro("_id", &Operation::id)
      .def_prop_ro("graph", [](Operation& op) { return op.graph().shared_from_this(); })
      .def_prop_ro("inputs",
                   [](Operation& op) {
                     std::vector<Tensor> out;
                     for (int i = 0; i < op.num_inputs(); ++i) out.push_back(op.input(i));
                     return out;
                   })
      .def_prop_ro("outputs",
                   [](Operation& op) {
                     std::vector<Tensor> out;
                     for (int i = 0; i < op.num_outputs(); ++i) out.push_back(op.output(i));
                     return out;
                   })
      .def_prop_ro("control_inputs",
                   [](Operation& op) {
                     std::vector<std::shared_ptr<Operation>> out;
                     for (Operation* c : op.control_inputs()) out.push_back(c->self());
                     return out;
                   })
      .def("_attr", [](Operation& op, const std::string& name) { return attr_out(op.attr(name)); })
      .def("_attr_names",
           [](Operation& op) {
             std::vector<std::string> names;
             for (auto& a : op.attrs()) names.push_back(a.first);
             return names;
           })
      .def("__eq__",
           [](Operation& a, nb::object b) {
             return nb::isinstance<Operation>(b) && nb::cast<Operation*>(b) == &a;
           })
      .def("__hash__", [](Operation& op) { return reinterpret_cast<size_t>(&op) >> 4; });
  nb::class_<Tensor>(m, "Tensor")
      .def_prop_ro("name", &Tensor::name)
      .def_prop_ro("op", &Tensor::operation)
      .def_prop_ro("value_index", &Tensor::index)
      .def_prop_ro("graph", [](Tensor& t) { return t.op()->graph().shared_from_this(); })
      .def_prop_ro("_dtype", [](Tensor& t) { return name_of(t.dtype()); })
      .def_prop_ro("_shape", [](Tensor& t) { return shape_out(t.shape()); })
      .def(
          "_set_shape", [](Tensor& t, nb::object s) { t.set_shape(shape_in(s)); },
          nb::arg("shape").none())
      .def("consumers",
           [](Tensor& t) {
             std::vector<std::shared_ptr<Operation>> out;
             for (Operation* op : t.op()->out(t.index()).consumers) out.push_back(op->self());
             return out;
           })
      .def("__eq__",
           [](Tensor& a, nb::object b) {
             return nb::isinstance<Tensor>(b) && nb::cast<Tensor>(b) == a;
           })
      .def("__hash__",
           [](Tensor& t) { return (reinterpret_cast<size_t>(t.op()) >> 4) + t.index(); });
}

void bind_variables(nb::module_& m) {
  nb::class_<Variable>(m, "Variable")
      .def_prop_ro("name", &Variable::name)
      .def_prop_ro("op", &Variable::op)
      .def_prop_ro("initializer", &Variable::initializer)
      .def_prop_ro("initial_value", &Variable::initial_value)
      .def_prop_ro("_ref", &Variable::ref)
      .def_prop_ro("trainable", &Variable::trainable)
      .def_prop_ro("graph", [](Variable& v) { return v.op()->graph().shared_from_this(); })
      .def("value", &Variable::value)
      .def("read_value", &Variable::read_value)
      .def("__eq__",
           [](Variable& a, nb::object b) {
             return nb::isinstance<Variable>(b) && nb::cast<Variable>(b) == a;
           })
      .def("__hash__", [](Variable& v) { return reinterpret_cast<size_t>(v.parts().get()) >> 4; });
  m.def("make_variable", [](nb::object initial, const std::string& name, bool trainable,
                            const std::string& dtype, std::vector<std::string> collections) {
    VariableOptions o;
    o.name = name;
    o.trainable = trainable;
    o.dtype = type_in(dtype);
    o.collections = collections;
    return Variable(input_of(initial), o);
  });
  m.def("variables_initializer", &variables_initializer);
}

void bind_ops(nb::module_& m) {
  m.def("build", &build, nb::arg("type"), nb::arg("name"), nb::arg("inputs"), nb::arg("attrs"),
        nb::arg("fallback") = "");
  m.def("create", [](const std::string& type, std::vector<Tensor> inputs, nb::dict attrs,
                     const std::string& name) {
    return default_graph()->create(type, inputs, attrs_in(attrs), name);
  });
  m.def("op_types", &op_types);
  m.def("op_inputs", [](const std::string& type) { return op_spec(type).inputs; });
  m.def("constant_value", [](const Tensor& t) -> nb::object {
    const auto value = constant_value(*t.op(), t.index());
    return value ? numpy_of(Data(*value)) : nb::none();
  });
  m.def("constant", [](nb::object v, const std::string& dtype, const std::string& name) {
    return input_of(v).tensor(name, type_in(dtype));
  });
  m.def(
      "placeholder",
      [](const std::string& dtype, nb::object shape, const std::string& name) {
        return placeholder(parse_data_type(dtype), shape_in(shape), name);
      },
      nb::arg("dtype"), nb::arg("shape").none(), nb::arg("name"));
  m.def(
      "placeholder_with_default",
      [](nb::object x, nb::object shape, const std::string& name) {
        return placeholder_with_default(input_of(x), shape_in(shape), name);
      },
      nb::arg("x"), nb::arg("shape").none(), nb::arg("name"));
  m.def("binary", [](const std::string& type, nb::object x, nb::object y, const std::string& name,
                     const std::string& fallback) {
    return binary(type, input_of(x), input_of(y), name, fallback);
  });
  m.def(
      "reduce",
      [](const std::string& type, nb::object x, nb::object axes, bool keep,
         const std::string& name) {
        return reduce(type, input_of(x),
                      axes.is_none() ? Axes() : Axes(nb::cast<std::vector<int64_t>>(axes)), keep,
                      name);
      },
      nb::arg("type"), nb::arg("x"), nb::arg("axes").none(), nb::arg("keep"), nb::arg("name"));
  m.def("group", &group);
  m.def("filled",
        [](nb::object shape, const std::string& dtype, const std::string& name, bool one) {
          return (one ? ones : zeros)(input_of(shape), parse_data_type(dtype), name);
        });
  m.def(
      "random",
      [](const std::string& kind, nb::object shape, nb::object a, nb::object b,
         const std::string& dtype, std::optional<int64_t> seed, const std::string& name) {
        const auto fn = kind == "normal"      ? random_normal
                        : kind == "truncated" ? truncated_normal
                                              : random_uniform;
        return fn(input_of(shape), input_of(a), input_of(b), parse_data_type(dtype), seed, name);
      },
      nb::arg("kind"), nb::arg("shape"), nb::arg("a"), nb::arg("b"), nb::arg("dtype"),
      nb::arg("seed").none(), nb::arg("name"));
  m.def(
      "random_shuffle",
      [](nb::object x, std::optional<int64_t> seed, const std::string& name) {
        return random_shuffle(input_of(x), seed, name);
      },
      nb::arg("x"), nb::arg("seed").none(), nb::arg("name"));
  m.def(
      "dropout",
      [](nb::object x, nb::object keep, std::optional<int64_t> seed, const std::string& name) {
        return nn::dropout(input_of(x), input_of(keep), seed, name);
      },
      nb::arg("x"), nb::arg("keep"), nb::arg("seed").none(), nb::arg("name"));
  m.def("loss",
        [](const std::string& kind, nb::object labels, nb::object logits, const std::string& name) {
          const auto fn = kind == "softmax"      ? nn::softmax_cross_entropy_with_logits
                          : kind == "softmax_v2" ? nn::softmax_cross_entropy_with_logits_v2
                          : kind == "sparse"     ? nn::sparse_softmax_cross_entropy_with_logits
                                                 : nn::sigmoid_cross_entropy_with_logits;
          return fn(input_of(labels), input_of(logits), name);
        });
  m.def(
      "gradients",
      [](std::vector<Tensor> ys, std::vector<Tensor> xs, nb::object grad_ys,
         std::vector<Tensor> stops, const std::string& name, bool zeros) {
        GradientOptions o;
        if (!grad_ys.is_none())
          for (nb::handle g : grad_ys)
            o.grad_ys.push_back(g.is_none() ? Tensor() : nb::cast<Tensor>(g));
        o.stop_gradients = stops;
        o.name = name;
        o.zeros_for_unconnected = zeros;
        nb::list out;
        for (const Tensor& t : gradients(ys, xs, o))
          out.append(t.defined() ? nb::cast(t) : nb::none());
        return out;
      },
      nb::arg("ys"), nb::arg("xs"), nb::arg("grad_ys").none(), nb::arg("stops"), nb::arg("name"),
      nb::arg("zeros"));
  m.def("default_graph", &default_graph);
  m.def("reset_default_graph", &reset_default_graph);
  m.def("push_default_graph", &push_default_graph);
  m.def("pop_default_graph", &pop_default_graph);
  m.def("set_site_finder", [](nb::object fn) {
    auto* kept = new nb::object(fn);
    Graph::set_site_finder([kept] { return nb::cast<std::string>((*kept)()); });
  });
  m.def("set_converter", [](nb::object fn) { converter() = fn; });
  m.def("set_op_error", [](nb::object fn) { op_error() = fn; });
}

void bind_session(nb::module_& m) {
  nb::class_<Session>(m, "Session")
      .def(nb::init<std::shared_ptr<Graph>>(), nb::arg("graph"))
      .def("run",
           [](Session& s, nb::list fetches, nb::list feeds) {
             std::vector<Fetch> wanted;
             for (nb::handle f : fetches) {
               if (nb::isinstance<Tensor>(f))
                 wanted.emplace_back(nb::cast<Tensor>(f));
               else
                 wanted.emplace_back(nb::cast<std::shared_ptr<Operation>>(f));
             }
             std::vector<Feed> fed;
             for (nb::handle f : feeds) {
               nb::tuple t = nb::cast<nb::tuple>(f);
               fed.push_back({nb::cast<Tensor>(t[0]), data_of_numpy(t[1])});
             }
             std::vector<Data> results;
             {
               nb::gil_scoped_release free;
               results = s.run_data(wanted, fed);
             }
             nb::list out;
             for (const Data& d : results) out.append(d.defined() ? numpy_of(d) : nb::none());
             return out;
           })
      .def("close", &Session::close)
      .def("closed", &Session::closed)
      .def("graph", &Session::graph)
      .def("plans_made", &Session::plans_made)
      .def("key", [](Session& s) { return reinterpret_cast<size_t>(&s); })
      .def("value_of",
           [](Session& s, const Variable& v) {
             const Array a = s.value_of(v);
             return a.defined() ? numpy_of(Data(a)) : nb::none();
           })
      .def("load", [](Session& s, const Variable& v, nb::object array) {
        s.load(v, data_of_numpy(array).array);
      });
}

void bind_train(nb::module_& m) {
  using namespace train;
  nb::class_<Optimizer>(m, "Optimizer")
      .def(
          "compute_gradients",
          [](Optimizer& o, const Tensor& loss, std::vector<Variable> variables, nb::object seed) {
            MinimizeOptions how;
            how.variables = variables;
            if (!seed.is_none()) how.grad_loss = {nb::cast<Tensor>(seed)};
            nb::list out;
            for (auto& p : o.compute_gradients(loss, how))
              out.append(
                  nb::make_tuple(p.first.defined() ? nb::cast(p.first) : nb::none(), p.second));
            return out;
          },
          nb::arg("loss"), nb::arg("variables"), nb::arg("seed").none())
      .def(
          "apply_gradients",
          [](Optimizer& o, nb::list pairs, nb::object step, const std::string& name) {
            std::vector<Optimizer::GradAndVar> all;
            for (nb::handle p : pairs) {
              nb::tuple t = nb::cast<nb::tuple>(p);
              all.emplace_back(t[0].is_none() ? Tensor() : nb::cast<Tensor>(t[0]),
                               nb::cast<Variable>(t[1]));
            }
            MinimizeOptions how;
            how.name = name;
            if (!step.is_none()) how.global_step = nb::cast<Variable>(step);
            return o.apply_gradients(all, how);
          },
          nb::arg("pairs"), nb::arg("step").none(), nb::arg("name"))
      .def("get_slot_names", &Optimizer::slot_names)
      .def("get_slot",
           [](Optimizer& o, const Variable& v, const std::string& name) {
             const Variable slot = o.slot(v, name);
             return slot.defined() ? nb::cast(slot) : nb::none();
           })
      .def("variables", &Optimizer::variables)
      .def("set_slot_prefix", &Optimizer::set_slot_prefix);
  m.def("optimizer",
        [](const std::string& kind, nb::list given, nb::dict more,
           const std::string& name) -> OptimizerPtr {
          std::vector<Input> n = inputs_of(given);
          const auto real = [&](const char* key) { return nb::cast<double>(more[key]); };
          const auto flag = [&](const char* key) { return nb::cast<bool>(more[key]); };
          if (kind == "Momentum")
            return std::make_shared<MomentumOptimizer>(n[0], n[1], flag("use_nesterov"), name);
          if (kind == "Adagrad")
            return std::make_shared<AdagradOptimizer>(n[0], real("initial"), name);
          if (kind == "Adadelta")
            return std::make_shared<AdadeltaOptimizer>(n[0], n[1], n[2], name);
          if (kind == "RMSProp")
            return std::make_shared<RMSPropOptimizer>(n[0], n[1], n[2], n[3], flag("centered"),
                                                      name);
          if (kind == "Adam")
            return std::make_shared<AdamOptimizer>(n[0], real("beta1"), real("beta2"), n[1], name);
          if (kind == "Ftrl")
            return std::make_shared<FtrlOptimizer>(n[0], n[1], real("initial"), n[2], n[3],
                                                   real("shrinkage"), name);
          return std::make_shared<GradientDescentOptimizer>(n[0], name);
        });
}

/// The class Python's TensorFlow raises for each of ours.
void translate_errors() {
  nb::register_exception_translator([](const std::exception_ptr& p, void*) {
    try {
      std::rethrow_exception(p);
    } catch (const OpError& e) {
      if (op_error().is_valid()) {
        nb::object made = op_error()(static_cast<int>(e.code()), e.what(), e.node());
        PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(made.ptr())), made.ptr());
      } else {
        PyErr_SetString(PyExc_RuntimeError, e.what());
      }
    } catch (const TypeError& e) {
      PyErr_SetString(PyExc_TypeError, e.what());
    } catch (const KeyError& e) {
      PyErr_SetString(PyExc_KeyError, e.what());
    } catch (const LookupError& e) {
      PyErr_SetString(PyExc_LookupError, e.what());
    } catch (const RuntimeError& e) {
      PyErr_SetString(PyExc_RuntimeError, e.what());
    } catch (const NotImplementedError& e) {
      PyErr_SetString(PyExc_NotImplementedError, e.what());
    } catch (const UserError& e) {
      PyErr_SetString(PyExc_ValueError, e.what());
    } catch (const EnvironmentError& e) {
      PyErr_SetString(PyExc_OSError, e.what());
    } catch (const Error& e) {
      PyErr_SetString(PyExc_RuntimeError, e.what());
    }
  });
}

// ---- files

void bind_files(nb::module_& m) {
  using namespace formats;
  m.def("write_checkpoint", [](const std::string& prefix, nb::dict values) {
    CheckpointWriter writer(prefix);
    std::vector<Data> kept;  // arrays are not copied: they live until finish()
    for (auto item : values) {
      kept.push_back(data_of_numpy(item.second));
      writer.add(nb::cast<std::string>(item.first), kept.back().array);
    }
    writer.finish();
  });
  nb::class_<CheckpointReader>(m, "CheckpointReader")
      .def(nb::init<const std::string&>())
      .def("shapes",
           [](CheckpointReader& r) {
             nb::dict out;
             for (const auto& t : r.tensors()) out[t.name.c_str()] = nb::cast(t.shape);
             return out;
           })
      .def("types",
           [](CheckpointReader& r) {
             nb::dict out;
             for (const auto& t : r.tensors()) out[t.name.c_str()] = t.type;
             return out;
           })
      .def("read", [](CheckpointReader& r, const std::string& name) {
        return numpy_of(Data(r.read(name)));
      });
  m.def("checkpoint_exists", &checkpoint_exists);
  m.def("latest_checkpoint", &latest_checkpoint);
  m.def("remove_checkpoint", &remove_checkpoint);
  m.def("read_checkpoint_state",
        [](const std::string& directory, const std::string& filename) -> nb::object {
          const auto state = read_checkpoint_state(directory, filename);
          if (!state) return nb::none();
          return nb::make_tuple(state->latest, state->all);
        });
  m.def("write_checkpoint_state", [](const std::string& directory, const std::string& latest,
                                     std::vector<std::string> all, const std::string& filename) {
    CheckpointState state;
    state.latest = latest;
    state.all = all;
    write_checkpoint_state(directory, state, filename);
  });
  nb::class_<EventWriter>(m, "EventWriter")
      .def(nb::init<const std::string&, const std::string&>())
      .def("add_scalar", &EventWriter::add_scalar)
      .def("add_summary",
           [](EventWriter& w, nb::bytes text, int64_t step) {
             tf_proto::Summary summary;
             if (!summary.ParseFromArray(text.c_str(), static_cast<int>(text.size())))
               raise<ValueError>("add_summary: the bytes are no summary");
             w.add_summary(summary, step);
           })
      .def("flush", &EventWriter::flush)
      .def("close", &EventWriter::close)
      .def("path", &EventWriter::path);
}

}  // namespace
}  // namespace trivium::tf

NB_MODULE(_tf, m) {
  using namespace trivium::tf;
  nb::set_leak_warnings(false);
  translate_errors();
  bind_graph(m);
  bind_variables(m);
  bind_ops(m);
  bind_session(m);
  bind_train(m);
  bind_files(m);
  bind_host(m);
  bind_control(m);
  bind_graph_files(m);
}
