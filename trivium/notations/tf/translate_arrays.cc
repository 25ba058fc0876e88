// Tensor arrays in a plan: their elements, whose shape the first write tells; room for more where
// they may grow; and marks of what happened to each position. Marks follow the order of creation.
// Where positions are known a mistake is found here; in loops and branches the marks are carried
// along as numbers, and the run looks at them once, when the array is complete.
#include <algorithm>
#include <numeric>

#include "trivium/engine/ops/build.h"
#include "trivium/notations/tf/translate_control.h"

namespace trivium::tf {
namespace {

constexpr int kMostCounted = 10000;     // iterations
constexpr int64_t kKnownElements = 16;  // of a value worth knowing from one iteration to the next

enum Mark : int32_t { fresh, written, seen, given_up, twice_written, late_write, twice_read, gap };

bool is_array_op(const Operation& op) { return op.type().rfind("TensorArray", 0) == 0; }

bool is_write(const Operation& op) {
  return op.type() == "TensorArrayWriteV3" || op.type() == "TensorArrayScatterV3";
}

bool is_within(const Context* inner, const Context* outer) {
  for (; inner; inner = inner->outer)
    if (inner == outer) return true;
  return false;
}

/// What becomes of each mark.
std::vector<int32_t> next_marks(const Operation& array, bool write) {
  if (write)
    return {written,       twice_written, late_write, late_write,
            twice_written, late_write,    twice_read, gap};
  const int32_t read = array.attr<bool>("clear_after_read") ? given_up : seen;
  const bool zeros =
      array.attr<bool>("infer_shape") || array.attr<PartialShape>("element_shape").fully_known();
  const int32_t unwritten = zeros ? read : static_cast<int32_t>(gap);
  return {unwritten, read, seen, twice_read, twice_written, late_write, twice_read, gap};
}

[[noreturn]] void mistake(const Operation& array, const Operation& node, int32_t mark,
                          int64_t position) {
  std::string text;
  if (mark == twice_written)
    text = fmt::format(
        "Could not write to TensorArray index {} because it has already been written to.",
        position);
  else if (mark == late_write)
    text = fmt::format("Could not write to TensorArray index {} because it has already been read.",
                       position);
  else if (mark == twice_read)
    text = fmt::format(
        "Could not read index {} twice because it was cleared after a previous read (perhaps try "
        "setting clear_after_read = false?).",
        position);
  else
    text = unwritten_text(position, array.attr<PartialShape>("element_shape"));
  text = fmt::format("TensorArray {}: {}\n\t [[{{{{node {}}}}}]]",
                     array.attr<std::string>("tensor_array_name"), text, node.name());
  if (!node.site().empty()) text += "\n  at " + node.site();
  throw OpError(Code::invalid_argument, text, node.name());
}

}  // namespace

std::string unwritten_text(int64_t position, const PartialShape& element) {
  return fmt::format(
      "Could not read from TensorArray index {}.  Furthermore, the element shape is not fully "
      "defined: {}.  It is possible you are working with a resizeable TensorArray and "
      "stop_gradients is not allowing the gradients to be written.  If you set the full "
      "element_shape property on the forward TensorArray, the proper all-zeros tensor will be "
      "returned instead of incurring this error.",
      position, element.known_rank() ? element.brackets() : "<unknown>");
}

// ---- elements
// --------------------------------------------------------------------------------------

std::shared_ptr<Translator::Unwritten> Translator::unwritten(Value array) const {
  const auto at = unwritten_.find(edge_of(array));
  return at == unwritten_.end() ? nullptr : at->second;
}

Value Translator::new_array(std::shared_ptr<Unwritten> array) {
  const Value v = graph_->constant(Array::zeros({array->size, 0}, array->dtype));
  unwritten_[edge_of(v)] = std::move(array);
  return v;
}

Value Translator::with_elements(Value array, const Shape& element) {
  const auto state = unwritten(array);
  if (!state) return array;
  if (!state->element) state->element = element;
  std::vector<int64_t> dims = state->element->vec();
  dims.insert(dims.begin(), state->size);
  return ops::broadcast_to(graph_->constant(0.0, state->dtype), Shape(dims));
}

Operation* Translator::array_of(const Operation::Edge& edge) {
  Operation* op = edge.op;
  if (op->type() == "TensorArrayV3") return op;
  if (op->type() == "While") return array_of(op->edges()[edge.index]);
  if (op->type() == "If") {
    Operation* then = array_of(context_of(*op, "then").results[edge.index]);
    return then == array_of(context_of(*op, "otherwise").results[edge.index]) ? then : nullptr;
  }
  if (op->type() == "LoopVariable") {
    const Context* context = op->context();
    if (loops_.empty())
      for (int i = 0; i < op->graph().size(); ++i)
        if (Operation* o = op->graph().op(i); o->type() == "While")
          for (const char* part : {"condition", "body"}) loops_[&context_of(*o, part)] = o;
    const auto at = std::find(context->variables.begin(), context->variables.end(), op);
    const auto loop = loops_.find(context);
    if (loop == loops_.end() || at == context->variables.end()) return nullptr;
    return array_of(loop->second->edges()[at - context->variables.begin()]);
  }
  static const std::vector<std::string> kHandOn = {"Identity", "Enter", "Exit", "Merge"};
  const bool on = std::find(kHandOn.begin(), kHandOn.end(), op->type()) != kHandOn.end();
  return (on || is_array_op(*op)) && op->num_inputs() > 0 ? array_of(op->edges()[0]) : nullptr;
}

// ---- growth
// ----------------------------------------------------------------------------------------

std::vector<int64_t> Translator::positions_of(Operation& op) {
  const Array a = known(op.edges()[1]).array;
  std::vector<int64_t> positions(a.count());
  for (size_t i = 0; i < positions.size(); ++i)
    positions[i] = static_cast<int64_t>(a.at(static_cast<int64_t>(i)));
  return positions;
}

Value Translator::grown(Value array, int64_t size) {
  if (const auto state = unwritten(array)) {
    auto larger = std::make_shared<Unwritten>(*state);
    larger->size = size;
    return new_array(larger);
  }
  std::vector<int64_t> dims = array.shape().vec();
  dims[0] = size - dims[0];
  return ops::concat({array, graph_->constant(0.0, array.dtype(), Shape(dims))}, 0);
}

void Translator::grow_marks(Operation* array, int64_t size) {
  const auto at = marks_.find(array);
  if (at == marks_.end()) return;
  Marks& marks = at->second;
  if (marks.known)
    marks.known->resize(std::max<size_t>(size, marks.known->size()), fresh);
  else if (marks.value.shape()[0] < size)
    marks.value = grown(marks.value, size);
}

Value Translator::with_room(Operation& op, Value array) {
  Operation* made = array_of(op.edges()[0]);
  if (!made || !made->attr<bool>("dynamic_size")) return array;
  if (inside() && !known_data(op.edges()[1]) && !fixed(op.edges()[1])) return array;
  std::vector<int64_t> positions;
  try {
    positions = positions_of(op);
  } catch (const UserError&) {
    return array;  // it has the size it was made with
  }
  int64_t size = array.shape()[0];
  for (const int64_t p : positions) size = std::max(size, p + 1);
  if (size == array.shape()[0]) return array;
  grow_marks(made, size);
  return grown(array, size);
}

void Translator::grow_array(Operation& op, int64_t rows) {
  Operation* made = array_of(op.edges()[0]);
  const int64_t size = value(op.edges()[0], &op).shape()[0];
  if (rows <= size) return;
  if (!made || !made->attr<bool>("dynamic_size"))
    Translate(*this, op).fail(fmt::format(
        "TensorArray {}: Tried to write to index {} but array is not resizeable and size is: {}",
        made ? made->attr<std::string>("tensor_array_name") : "", rows - 1, size));
  grow_marks(made, rows);
}

std::map<Operation*, int64_t> Translator::reached(Operation& op) {
  const Context &condition = context_of(op, "condition"), &body = context_of(op, "body");
  std::vector<Operation*> all = needed_in(condition), writers;
  for (Operation* o : needed_in(body)) {
    all.push_back(o);
    Operation* array = is_write(*o) ? array_of(o->edges()[0]) : nullptr;
    if (array && array->attr<bool>("dynamic_size") && !is_within(array->context(), &body))
      writers.push_back(o);
  }
  std::map<Operation*, int64_t> sizes;
  if (writers.empty()) return sizes;
  const size_t count = condition.variables.size();
  const auto look = [&](const Operation::Edge& e) -> std::optional<Data> {
    const auto& out = e.op->out(e.index);
    if (is_floating(out.type) || out.type == DataType::string || !out.shape.fully_known() ||
        out.shape.count() > kKnownElements)
      return std::nullopt;
    try {
      return known(e);
    } catch (const UserError&) {
      return std::nullopt;
    }
  };
  std::vector<std::optional<Data>> items;
  for (size_t i = 0; i < count; ++i) items.push_back(look(op.edges()[i]));
  const auto forget = [&](bool literals) {
    for (Operation* o : all)
      for (int i = 0; i < o->num_outputs(); ++i)
        if (literals || o->type() != "Const") known_.erase(key_of(o, i));
    for (const Context* c : {&condition, &body})
      for (Operation* v : c->variables) known_.erase(key_of(v, 0));
  };
  for (Operation* o : all)
    if (o->type() == "Const") translate_op(*o);
  try {
    for (int step = 0; step < kMostCounted; ++step) {
      forget(false);
      for (const Context* c : {&condition, &body})
        for (size_t i = 0; i < count; ++i)
          if (items[i]) known_[key_of(c->variables[i], 0)] = *items[i];
      if (known(condition.results[0]).array.item() == 0) break;
      for (Operation* o : writers)
        for (const int64_t p : positions_of(*o)) {
          int64_t& size = sizes[array_of(o->edges()[0])];
          size = std::max(size, p + 1);
        }
      std::vector<std::optional<Data>> next;
      for (const auto& e : body.results) next.push_back(look(e));
      items = std::move(next);
    }
  } catch (const UserError&) {  // what is not known by then is as large as it was made
  }
  forget(true);
  return sizes;
}

void Translator::grow_carried(Operation& op, Carried& carried) {
  for (const auto& [array, size] : reached(op)) {
    grow_marks(array, size);
    for (int i = 0; i < carried.count; ++i) {
      Value& initial = carried.initial[i];
      if (array_of(op.edges()[i]) != array || initial.shape()[0] >= size) continue;
      initial = grown(initial, size);
      carried.arrays[i] = unwritten(initial);
    }
  }
}

// ---- marks
// -----------------------------------------------------------------------------------------

void Translator::begin_marks(Operation& array, int64_t size) {
  if (array.attr<bool>("checked") && store_)
    marks_[&array] = {std::vector<int32_t>(size, fresh), {}, false};
}

Value Translator::value_of(const Marks& marks) {
  if (!marks.known) return marks.value;
  return graph_->constant(Array::from(*marks.known, {static_cast<int64_t>(marks.known->size())}));
}

void Translator::find_touched(const Context& context, std::vector<Operation*>& found) {
  for (Operation* op : needed_in(context)) {
    if (op->type() == "While" || op->type() == "If") {
      for (const char* part : {"body", "then", "otherwise"})
        if (op->has_attr(part)) find_touched(context_of(*op, part), found);
    } else if (is_array_op(*op) && op->num_inputs() > 0 && op->type() != "TensorArrayV3") {
      Operation* array = array_of(op->edges()[0]);
      if (array && marks_.count(array) &&
          std::find(found.begin(), found.end(), array) == found.end())
        found.push_back(array);
    }
  }
}

void Translator::touch(Operation& op, Touch touch, std::optional<int64_t> rows) {
  Operation* array = again_ ? nullptr : array_of(op.edges()[0]);
  const auto at = marks_.find(array);
  if (!array || at == marks_.end()) return;
  Marks& marks = at->second;
  std::vector<int64_t> positions(rows.value_or(0));
  std::iota(positions.begin(), positions.end(), 0);
  const bool known = rows || known_data(op.edges()[1]) || fixed(op.edges()[1]);
  if (!rows && known) positions = positions_of(op);
  if (known && marks.known) return touch_known(op, *array, marks, touch, positions);
  touch_in_run(
      op, *array, marks, touch,
      known ? graph_->constant(Array::from(positions, {static_cast<int64_t>(positions.size())}))
            : ops::reshape(value(op.edges()[1], &op),
                           {op.type() == "TensorArrayWriteV3" || op.type() == "TensorArrayReadV3"
                                ? 1
                                : value(op.edges()[1], &op).shape().count()}));
}

void Translator::touch_known(Operation& op, Operation& array, Marks& marks, Touch touch,
                             const std::vector<int64_t>& positions) {
  const std::vector<int32_t> next = next_marks(array, touch == Touch::write);
  const auto size = static_cast<int64_t>(marks.known->size());
  for (const int64_t p : positions) {
    if (p < 0 || p >= size) {
      const std::string where =
          touch == Touch::write
              ? fmt::format(
                    "TensorArray {}: Tried to write to index {} but array is not "
                    "resizeable and size is: {}",
                    array.attr<std::string>("tensor_array_name"), p, size)
              : fmt::format("Tried to read from index {} but array size is: {}", p, size);
      Translate(*this, op).fail(where);
    }
    int32_t& mark = (*marks.known)[p];
    mark = next[mark];
    if (mark >= twice_written) mistake(array, op, mark, p);
  }
}

void Translator::touch_in_run(Operation& op, Operation& array, Marks& marks, Touch touch,
                              Value positions) {
  if (positions.shape().count() == 0) return;
  const std::vector<int32_t> next = next_marks(array, touch == Touch::write);
  graph_->set_scope(op.name());
  const Value before = value_of(marks);
  const Value table = graph_->constant(Array::from(next, {8}));
  const Value after = ops::gather(table, ops::gather(before, positions));
  marks = {{}, ops::index_update(before, positions, after), true};
}

void Translator::check_marks(const Context* context) {
  for (auto& [array, marks] : marks_) {
    if (!marks.unchecked || array->context() != context) continue;
    marks.unchecked = false;
    const Operation* made = array;
    host_call(*array, std::vector<Value>{marks.value}, {},
              [made](const std::vector<Array>& in, const std::vector<Array>&) {
                const auto seen_marks = in[0].span<int32_t>();
                for (size_t i = 0; i < seen_marks.size(); ++i)
                  if (seen_marks[i] >= twice_written)
                    mistake(*made, *made, seen_marks[i], static_cast<int64_t>(i));
              });
  }
}

}  // namespace trivium::tf
