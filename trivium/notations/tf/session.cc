#include "trivium/notations/tf/session.h"

#include <algorithm>
#include <cstdio>

#include "trivium/engine/backends/cpu/backend.h"
#include "trivium/engine/compile/compile.h"
#include "trivium/engine/ops/build.h"
#include "trivium/notations/tf/windows.h"

namespace trivium::tf {
namespace {

/// Where a result comes from after the plan has run.
struct Source {
  enum Kind { none, plan, known, feed, host } kind = none;
  int index = 0;   // of the plan's outputs, the feeds, or the host operations
  int output = 0;  // host: which of its outputs
  Data data;       // known
};

[[noreturn]] void unfed(const Operation& op) {
  const PartialShape& shape = op.out(0).shape;
  const std::string with =
      shape.known_rank() && shape.rank() > 0 ? " and shape " + shape.brackets() : "";
  const char* type = op.out(0).type == DataType::float32   ? "float"
                     : op.out(0).type == DataType::float64 ? "double"
                                                           : name_of(op.out(0).type);
  std::string text = fmt::format(
      "You must feed a value for placeholder tensor '{0}' with dtype {1}{2}\n\t [[{{{{node "
      "{0}}}}}]]",
      op.name(), type, with);
  if (!op.site().empty()) text += "\n  made at " + op.site();
  throw OpError(Code::invalid_argument, text, op.name());
}

Data converted(const Feed& feed) {
  const DataType wanted = feed.key.dtype();
  if (wanted == DataType::string || feed.value.strings) {
    if (wanted != DataType::string || !feed.value.strings)
      raise<ValueError>("Cannot feed {} for Tensor '{}' of dtype {}", name_of(feed.value.type()),
                        feed.key.name(), name_of(wanted));
    return feed.value;
  }
  const DType engine = engine_type(wanted);
  return feed.value.array.dtype() == engine ? feed.value : Data(feed.value.array.cast(engine));
}

/// The error with the line that made the operation at fault.
OpError located(const OpError& error, const Graph& graph) {
  const Operation* op = error.node().empty() ? nullptr : graph.find(error.node());
  const std::string text = error.what();
  if (!op || op->site().empty() || text.find(op->site()) != std::string::npos) return error;
  return OpError(error.code(), text + "\n  made at " + op->site(), error.node());
}

bool same_value(const Data& a, const Data& b) {
  if (a.strings || b.strings)
    return a.strings && b.strings && a.strings->values == b.strings->values;
  return std::memcmp(a.array.raw(), b.array.raw(), a.array.bytes()) == 0;
}

}  // namespace

std::vector<Data> run_host(const Operation& op, const std::vector<Data>& inputs, Session& session) {
  return op.spec().host ? op.spec().host(op, inputs) : op.spec().session_host(op, inputs, session);
}

namespace {

/// What TensorFlow says where the engine says this.
std::string in_its_words(const std::string& text) {
  const size_t colon = text.find(": ");
  const char* rest = text.c_str() + (colon == std::string::npos ? 0 : colon + 2);
  long index = 0, at = 0, count = 0, last = 0;
  double label = 0;
  if (text.find("an integer is divided by 0") != std::string::npos)
    return "Integer division by zero";
  if (std::sscanf(rest, "index %ld at position %ld of %ld, 0 to %ld expected", &index, &at, &count,
                  &last) == 4)
    return fmt::format("indices[{}] = {} is not in [0, {})", at, index, last + 1);
  if (std::sscanf(rest, "label %lf at position %ld of %ld, a class from 0 to %ld expected", &label,
                  &at, &count, &last) == 4)
    return fmt::format(
        "Received a label value of {:g} which is outside the valid range of [0, {}). (place {} of "
        "{})",
        label, last + 1, at, count);
  return text;
}

/// A step's error as TensorFlow's: the layer the engine names is the node.
[[noreturn]] void rethrow(const UserError& error) {
  const std::string text = error.what();
  const std::string mark = ", in layer \"";
  const size_t at = text.rfind(mark);
  if (at == std::string::npos) throw OpError(Code::invalid_argument, in_its_words(text));
  const std::string node = text.substr(at + mark.size(), text.size() - at - mark.size() - 1);
  throw OpError(Code::invalid_argument,
                fmt::format("{}\n\t [[{{{{node {}}}}}]]", in_its_words(text.substr(0, at)), node),
                node);
}

}  // namespace

/// What a set of fetches needs, whatever the shapes.
struct Session::Program {
  std::vector<Target> targets;
  std::vector<Operation*> ops, before;
  std::vector<std::shared_ptr<Executable>> executables;
};

/// A plan, for feeds of certain shapes (and, where shapes depend on them, of certain values).
struct Session::Executable {
  std::vector<std::pair<Shape, DataType>> feeds;
  std::vector<std::pair<int, Data>> feed_values;
  std::vector<std::pair<VariableState*, bool>> assumptions;
  std::vector<VariableState*> begins;  // variables that have a value after the run
  bool writes = false;
  compile::Prepared prepared;
  std::vector<Translator::Leaf> leaves;  // per plan input slot
  std::vector<Translator::Draw> draws;
  std::vector<Operation*> host_ops;
  std::vector<std::vector<Source>> host_inputs;
  std::vector<Source> results;
  run::Bindings bindings;
  std::vector<Array> outputs;
};

Fetch::Fetch(const Variable& variable) : tensor_(variable.ref()) {}

Session::Session(std::shared_ptr<Graph> graph)
    : graph_(graph ? std::move(graph) : default_graph()) {
  ops::register_all();  // load() may turn a value before anything is translated
  cpu::register_backend();
}
Session::~Session() = default;

void Session::close() {
  closed_ = true;
  programs_.clear();
  host_states_.clear();
  store_ = Store();
}

std::vector<Session::Target> Session::resolve(const std::vector<Fetch>& fetches) {
  if (closed_) raise<RuntimeError>("Attempted to use a closed Session.");
  if (graph_->size() == 0)
    raise<RuntimeError>(
        "The Session graph is empty.  Add operations to the graph before calling run().");
  std::vector<Target> targets;
  for (const Fetch& fetch : fetches) {
    Target t{nullptr, -1};
    if (fetch.tensor_.defined())
      t = {fetch.tensor_.op(), fetch.tensor_.index()};
    else if (fetch.op_)
      t.op = fetch.op_.get();
    else if (fetch.name_.find(':') != std::string::npos) {
      const Tensor tensor = graph_->tensor_by_name(fetch.name_);
      t = {tensor.op(), tensor.index()};
    } else {
      t.op = graph_->operation_by_name(fetch.name_).get();
    }
    if (t.op->context())
      raise<ValueError>(
          "Operation '{}' has been marked as not fetchable. It runs inside {}; fetch what that "
          "returns.",
          t.op->name(), t.op->context()->name);
    if (&t.op->graph() != graph_.get())
      raise<ValueError>(
          "Fetch argument {} cannot be interpreted as a Tensor. (It is not an element "
          "of this graph.)",
          t.op->name());
    targets.push_back(t);
  }
  return targets;
}

std::vector<Array> Session::run(const std::vector<Fetch>& fetches, const std::vector<Feed>& feeds) {
  std::vector<Array> out;
  for (Data& data : run_data(fetches, feeds)) {
    if (data.strings) raise<TypeError>("run: a fetch holds strings; run_data() returns them");
    out.push_back(std::move(data.array));
  }
  return out;
}

Array Session::run(const Fetch& fetch, const std::vector<Feed>& feeds) {
  return run(std::vector<Fetch>{fetch}, feeds)[0];
}

std::vector<Data> Session::run_data(const std::vector<Fetch>& fetches,
                                    const std::vector<Feed>& feeds) {
  const std::vector<Target> targets = resolve(fetches);
  std::vector<Feed> fed;
  for (const Feed& feed : feeds) {
    if (&feed.key.op()->graph() != graph_.get())
      raise<TypeError>(
          "Cannot interpret feed_dict key as Tensor: Tensor {} is not an element of this "
          "graph.",
          feed.key.name());
    if (!feed.key.shape().compatible(PartialShape(feed.value.shape())))
      raise<ValueError>("Cannot feed value of shape {} for Tensor '{}', which has shape '{}'",
                        PartialShape(feed.value.shape()).text(), feed.key.name(),
                        feed.key.shape().text());
    fed.push_back({feed.key, converted(feed)});
  }
  try {
    return run_targets(targets, std::move(fed), nullptr, nullptr);
  } catch (const OpError& error) {
    throw located(error, *graph_);
  }
}

/// `wanted_by`: the host operation whose inputs these are, when they are not the run's own fetches.
std::vector<Data> Session::run_targets(const std::vector<Target>& targets, std::vector<Feed> feeds,
                                       Drawn* drawn, Operation* wanted_by) {
  Program* program = nullptr;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    program = &program_of(targets, feeds);
  }
  Drawn kept;
  if (!program->before.empty()) {
    if (!drawn) drawn = &kept;
    run_before(*program, feeds, drawn);
  }
  std::shared_ptr<Executable> executable;
  std::vector<Array> outputs;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    executable = executable_of(*program, feeds);
    if (wanted_by && executable->writes)
      throw OpError(Code::unimplemented,
                    fmt::format("{} ({}) is computed by the host before the numbers of a run, and "
                                "its inputs wait for a write to a variable; run the write first",
                                wanted_by->name(), wanted_by->type()),
                    wanted_by->name());
    outputs = compute(*executable, feeds, drawn);
  }
  return finish(*executable, outputs, feeds);
}

Session::Program& Session::program_of(const std::vector<Target>& targets,
                                      const std::vector<Feed>& feeds) {
  std::vector<int64_t> key;
  key.reserve(targets.size() + feeds.size() + 1);
  for (const Target& t : targets) key.push_back(int64_t{t.op->id()} << 12 | (t.index + 1));
  key.push_back(-1);
  for (const Feed& f : feeds) key.push_back(key_of(f.key));
  auto& program = programs_[key];
  if (program) return *program;
  auto made = std::make_unique<Program>();
  made->targets = targets;
  std::set<int64_t> fed;
  for (const Feed& f : feeds) fed.insert(key_of(f.key));
  std::set<Operation*> seen;
  std::vector<Operation*> stack;
  const auto visit = [&](Operation* op) {
    if (seen.insert(op).second) stack.push_back(op);
  };
  for (const Target& t : targets)
    if (t.index < 0 || !fed.count(key_of(t.op, t.index))) visit(t.op);
  while (!stack.empty()) {
    Operation* op = stack.back();
    stack.pop_back();
    made->ops.push_back(op);
    if (op->type() == "Placeholder" && !fed.count(key_of(op, 0))) unfed(*op);
    if (op->spec().before) {
      made->before.push_back(op);
      continue;
    }
    for (const auto& e : op->edges())
      if (!fed.count(key_of(e))) visit(e.op);
    for (Operation* c : op->control_inputs()) visit(c);
  }
  const auto by_id = [](Operation* a, Operation* b) { return a->id() < b->id(); };
  std::sort(made->ops.begin(), made->ops.end(), by_id);
  std::sort(made->before.begin(), made->before.end(), by_id);
  program = std::move(made);
  return *program;
}

/// Operations of the host (files, queues, Python functions) whose results the run needs are
/// computed first; then they are feeds like any other.
void Session::run_before(const Program& program, std::vector<Feed>& feeds, Drawn* drawn) {
  for (Operation* op : program.before) {
    std::vector<Data> values(op->num_inputs());
    std::vector<Target> missing;
    std::vector<int> places;
    for (int i = 0; i < op->num_inputs(); ++i) {
      const auto& e = op->edges()[i];
      const auto fed = std::find_if(feeds.begin(), feeds.end(), [&](const Feed& f) {
        return f.key.op() == e.op && f.key.index() == e.index;
      });
      if (fed != feeds.end()) {
        values[i] = fed->value;
      } else {
        missing.push_back({e.op, e.index});
        places.push_back(i);
      }
    }
    for (Operation* c : op->control_inputs()) missing.push_back({c, -1});
    if (!missing.empty()) {
      std::vector<Data> found = run_targets(missing, feeds, drawn, op);
      for (size_t i = 0; i < places.size(); ++i) values[places[i]] = std::move(found[i]);
    }
    std::vector<Data> results = run_host(*op, values, *this);
    for (int i = 0; i < op->num_outputs(); ++i)
      feeds.push_back({op->output(i), std::move(results.at(i))});
  }
}

std::shared_ptr<Session::Executable> Session::executable_of(Program& program,
                                                            const std::vector<Feed>& feeds) {
  const auto fits = [&](const Executable& e) {
    for (size_t i = 0; i < feeds.size(); ++i)
      if (e.feeds[i].first != feeds[i].value.shape() || e.feeds[i].second != feeds[i].value.type())
        return false;
    for (const auto& [index, value] : e.feed_values)
      if (!same_value(value, feeds[index].value)) return false;
    return std::all_of(e.assumptions.begin(), e.assumptions.end(),
                       [](const auto& a) { return a.first->initialized == a.second; });
  };
  for (auto& e : program.executables)
    if (fits(*e)) return e;
  constexpr size_t kKept = 64;  // per set of fetches
  if (program.executables.size() >= kKept) program.executables.erase(program.executables.begin());
  program.executables.push_back(translate(program, feeds));
  ++plans_made_;
  return program.executables.back();
}

std::unique_ptr<Session::Executable> Session::translate(const Program& program,
                                                        const std::vector<Feed>& feeds) {
  auto e = std::make_unique<Executable>();
  Translator t(&store_, feeds, this);
  std::map<int64_t, int> fed_index;
  for (size_t i = 0; i < feeds.size(); ++i) fed_index[key_of(feeds[i].key)] = static_cast<int>(i);
  t.translate(program.ops);
  std::vector<Value> fetched;
  std::map<Operation*, int> host_index;
  for (Operation* op : t.host_ops()) {
    const int index = static_cast<int>(host_index.size());
    host_index[op] = index;
  }
  const auto source = [&](const Operation::Edge& edge, Operation* reader) {
    Source s;
    if (const auto it = fed_index.find(key_of(edge)); it != fed_index.end()) {
      s.kind = Source::feed;
      s.index = it->second;
    } else if (const auto host = host_index.find(edge.op);
               host != host_index.end() && !edge.op->spec().translate) {
      s.kind = Source::host;
      s.index = host->second;
      s.output = edge.index;
    } else if (const Data* data = t.known_data(edge)) {
      s.kind = Source::known;
      s.data = *data;
    } else {
      s.kind = Source::plan;
      s.index = static_cast<int>(fetched.size());
      fetched.push_back(t.value(edge, reader));
    }
    return s;
  };
  for (const Target& target : program.targets)
    e->results.push_back(target.index < 0 ? Source{} : source({target.op, target.index}, nullptr));
  for (Operation* op : t.host_ops()) {
    std::vector<Source> inputs;
    for (const auto& edge : op->edges()) inputs.push_back(source(edge, op));
    e->host_inputs.push_back(std::move(inputs));
  }
  if (t.last_call().defined()) fetched.push_back(t.last_call());
  e->host_ops = t.host_ops();
  e->begins = t.commit();
  e->writes = t.writes();
  try {
    e->prepared = compile::prepare(t.graph(), {}, fetched, true);
  } catch (const UserError& error) {
    rethrow(error);
  }
  for (int input : e->prepared.inputs) e->leaves.push_back(t.leaves()[input]);
  e->draws = t.draws();
  for (const Feed& f : feeds) e->feeds.emplace_back(f.value.shape(), f.value.type());
  for (int index : t.feeds_looked_at()) {
    const Data& value = feeds[index].value;
    e->feed_values.emplace_back(index, value.strings ? value : Data(value.array.clone()));
  }
  e->assumptions = t.assumptions();
  e->bindings.cells = e->prepared.cells;
  e->bindings.inputs.resize(e->leaves.size());
  return e;
}

Array drawn(const Translator::Draw& draw) {
  Array out(draw.shape, draw.dtype);
  switch (draw.kind) {
    case Translator::DrawKind::uniform:
      draw.stream->uniform(out);
      break;
    case Translator::DrawKind::normal:
      draw.stream->normal(out);
      break;
    case Translator::DrawKind::truncated:
      draw.stream->truncated_normal(out);
      break;
    case Translator::DrawKind::integer:
      draw.stream->integers(out, draw.low, draw.high);
      break;
    case Translator::DrawKind::permutation:
      draw.stream->permutation(out);
      break;
    case Translator::DrawKind::multinomial:
      draw.stream->multinomial(out);
      break;
    case Translator::DrawKind::log_uniform:
      draw.stream->log_uniform(out, draw.high, draw.low != 0);
      break;
  }
  return out;
}

std::vector<Array> Session::compute(Executable& e, const std::vector<Feed>& feeds, Drawn* kept) {
  std::vector<Array> drawn_values(e.draws.size());
  for (size_t i = 0; i < e.draws.size(); ++i) {
    Array* before = kept ? &(*kept)[e.draws[i].stream] : nullptr;
    drawn_values[i] = before && before->defined() ? *before : drawn(e.draws[i]);
    if (before) *before = drawn_values[i];
  }
  for (size_t i = 0; i < e.leaves.size(); ++i) {
    const Translator::Leaf& leaf = e.leaves[i];
    e.bindings.inputs[i] = leaf.kind == Translator::Leaf::feed    ? feeds[leaf.index].value.array
                           : leaf.kind == Translator::Leaf::fixed ? leaf.array
                                                                  : drawn_values[leaf.index];
  }
  try {
    run::execute(*e.prepared.plan, e.bindings, e.outputs, profile_);
  } catch (const OpError&) {
    throw;
  } catch (const UserError& error) {
    rethrow(error);
  }
  for (Array& input : e.bindings.inputs) input = Array();
  for (VariableState* state : e.begins) state->initialized = true;
  return e.outputs;
}

/// Host operations that come after the numbers, and the results in the order of the fetches.
std::vector<Data> Session::finish(const Executable& e, const std::vector<Array>& outputs,
                                  const std::vector<Feed>& feeds) {
  std::vector<std::vector<Data>> hosted;
  const auto data_of = [&](const Source& s) -> Data {
    switch (s.kind) {
      case Source::plan:
        return outputs[s.index];
      case Source::known:
        return s.data;
      case Source::feed:
        return feeds[s.index].value;
      case Source::host:
        return hosted.at(s.index).at(s.output);
      case Source::none:
        break;
    }
    return {};
  };
  for (size_t i = 0; i < e.host_ops.size(); ++i) {
    std::vector<Data> inputs;
    for (const Source& s : e.host_inputs[i]) inputs.push_back(data_of(s));
    hosted.push_back(run_host(*e.host_ops[i], inputs, *this));
  }
  std::vector<Data> results;
  results.reserve(e.results.size());
  for (const Source& s : e.results) results.push_back(data_of(s));
  return results;
}

namespace {

using Move = Value (Home::*)(Value) const;

/// A copy of the array, brought home or from there.
Array moved(const Array& array, const Home& home, Move move) {
  if (home.order.empty()) return array.clone();
  trivium::Graph graph;
  return run_constants(graph, {(home.*move)(graph.constant(array))})[0].clone();
}

}  // namespace

Array Session::value_of(const Variable& variable) {
  VariableState& state = store_.variable(variable.op().get());
  if (!state.initialized) return Array();
  return moved(state.cell->value(), state.home, &Home::logical);
}

void Session::load(const Variable& variable, const Array& value) {
  VariableState& state = store_.variable(variable.op().get());
  const Array same = value.cast(engine_type(variable.dtype()));
  const Array stored = moved(same, state.home, &Home::stored);
  if (!variable.ref().shape().compatible(PartialShape(same.shape())) ||
      (state.cell && state.cell->shape() != stored.shape()))
    raise<ValueError>("Cannot load a value of shape {} into variable '{}' of shape {}",
                      PartialShape(same.shape()).text(), variable.op()->name(),
                      variable.ref().shape().text());
  if (state.cell)
    state.cell->set(stored);
  else
    state.cell = std::make_shared<Cell>(variable.op()->name(), stored);
  state.initialized = true;
}

}  // namespace trivium::tf
