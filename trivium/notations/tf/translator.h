// From a piece of a tf graph to one engine graph: every needed operation, in the order of creation,
// becomes engine ops. Shapes are those of the values fed, so the engine sees static shapes only.
//
// Reads and writes of variables: a read that does not wait (by data or control edges) for a write
// sees the value at the start of the run; writes follow one another in the order of creation.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <unordered_map>

#include "trivium/engine/graph/region.h"
#include "trivium/notations/tf/home.h"
#include "trivium/notations/tf/op_spec.h"
#include "trivium/notations/tf/random_stream.h"

namespace trivium::tf {

/// A variable of a session: no Cell until its first value is assigned.
struct VariableState {
  Operation* op = nullptr;
  CellRef cell;
  bool initialized = false;
  Home home;  // how the Cell keeps the value
};

/// What a session keeps between runs: variables and the positions of random operations.
class Store {
 public:
  VariableState& variable(Operation* op);
  RandomStream& random(Operation* op);

 private:
  std::unordered_map<Operation*, std::unique_ptr<VariableState>> variables_;
  std::unordered_map<Operation*, std::unique_ptr<RandomStream>> randoms_;
};

/// One output of one operation, as a map key.
inline int64_t key_of(const Operation* op, int index) { return int64_t{op->id()} << 12 | index; }
inline int64_t key_of(const Tensor& t) { return key_of(t.op(), t.index()); }
inline int64_t key_of(const Operation::Edge& e) { return key_of(e.op, e.index); }

struct Feed {
  Tensor key;
  Data value;
};

class Translator {
 public:
  /// `session`: whom host operations inside loops and choices run for.
  Translator(Store* store, const std::vector<Feed>& feeds, Session* session = nullptr);

  /// Translates these operations, which must hold every needed one, in order of creation.
  void translate(const std::vector<Operation*>& ops);
  /// Value of a tensor after translate(); undefined when it holds strings.
  Value value(const Operation::Edge& edge, Operation* reader);
  /// What is known of a tensor already: constants, fed strings, shapes. Null when it has to be run.
  const Data* known_data(const Operation::Edge& edge);
  Data known(const Operation::Edge& edge);
  /// Null unless the tensor is fed.
  const Data* fed_data(const Operation::Edge& edge) const;
  /// Whether known() gives it without a look at what is fed, drawn or held by variables.
  bool fixed(const Operation::Edge& edge) const;

  trivium::Graph& graph() { return *graph_; }

  // For translation rules.
  void set(Operation& op, int output, Value value) { values_[key_of(&op, output)] = value; }
  void set(Operation& op, int output, Data value) {
    known_[key_of(&op, output)] = std::move(value);
  }
  /// An output is this tensor: what is known of it, and its value, through which a gradient goes.
  void hand_on(const Operation::Edge& from, Operation& op, int output);
  /// The variable behind a reference (a variable's output, or an assignment's). InternalError else.
  Operation* variable_of(const Operation::Edge& edge) const;
  /// The newest value in this run: what an update starts from.
  Value latest(Operation* variable);
  void write(Operation& writer, Operation* variable, Value value);
  const VariableState& state_of(Operation* variable) { return store_->variable(variable); }
  bool is_initialized(Operation* variable);
  enum class DrawKind {
    uniform,
    normal,
    truncated,
    integer,
    permutation,
    multinomial,  // uniform numbers [rows, samples], doubles
    log_uniform,  // doubles: classes below `high`, then the number of tries; low 1: no class twice
  };
  /// Numbers the session draws before each run. low, high: bounds of integers.
  Value draw(Operation& op, DrawKind kind, const Shape& shape, DType dtype, int64_t low = 0,
             int64_t high = 0);
  /// d sum(ys * seeds) / d xs, with `stops` held constant.
  std::vector<Value> gradients(Operation& op, int ys, int xs, int seeds, int stops);

  // Loops and choices (translate_control.cc).
  /// While: initial values and captured tensors → last values.
  void loop(Operation& op);
  /// If: predicate and captured tensors → results of the branch taken.
  void choice(Operation& op);

  // Tensor arrays (translate_arrays.cc).
  /// The elements of a tensor array whose element shape nobody has said yet.
  struct Unwritten {
    int64_t size;
    DType dtype;
    std::optional<Shape> element;  // known once something is written
  };
  /// A tensor array without elements so far, or null for a value that is there.
  std::shared_ptr<Unwritten> unwritten(Value array) const;
  Value new_array(std::shared_ptr<Unwritten> array);
  /// `array` with memory for elements of this shape.
  Value with_elements(Value array, const Shape& element);
  /// The TensorArrayV3 that made the array behind a tensor; null where branches disagree.
  Operation* array_of(const Operation::Edge& edge);
  /// The array of `op` with room for the positions (input 1) that it writes, when it may grow.
  Value with_room(Operation& op, Value array);
  /// The same for the first `rows` positions; OpError when there are fewer and it may not grow.
  void grow_array(Operation& op, int64_t rows);
  /// `array` is new: none of its positions was touched.
  void begin_marks(Operation& array, int64_t size);
  enum class Touch { write, read };
  /// `op` touches the positions that input 1 names, or the first `rows` ones. OpError, here or when
  /// the run ends, for what TensorFlow refuses: a second write, a write after a read, a read of
  /// what an earlier read gave up, or of what was never written and has no shape.
  void touch(Operation& op, Touch touch, std::optional<int64_t> rows = {});

  // For the session: what the plan's leaves are.
  struct Draw {
    Operation* op;
    RandomStream* stream;
    DrawKind kind;
    Shape shape;
    DType dtype;
    int64_t low, high;
  };
  struct Leaf {
    enum Kind { feed, fixed, draw } kind;
    int index;    // of the feed or the draw
    Array array;  // fixed
  };
  const std::vector<Leaf>& leaves() const { return leaves_; }
  const std::vector<Draw>& draws() const { return draws_; }
  const std::set<int>& feeds_looked_at() const { return looked_at_; }
  const std::vector<std::pair<VariableState*, bool>>& assumptions() const { return assumptions_; }
  /// Assigns the last writes to their Cells.
  std::vector<VariableState*> commit();
  bool writes() const { return !written_.empty(); }
  /// The token of the last call into the host, when the run makes any.
  Value last_call() const { return token_; }
  /// Operations computed by the session after the plan, on its results.
  const std::vector<Operation*>& host_ops() const { return host_ops_; }

 private:
  friend std::optional<Array> fold(const Operation&, int, const std::vector<Array>&);
  struct Write {
    int sequence;
    Value value;
  };
  using Writes = std::map<Operation*, Write>;

  struct Carried;
  void translate_op(Operation& op);
  void merge_writes(Operation& op);
  Value read(Operation* variable, Operation* reader);
  Value initial(Operation* variable);
  [[noreturn]] void uninitialized(Operation* variable);
  Data evaluate(Operation& op, int index);
  Value input_leaf(const std::string& name, const Array& like, Leaf leaf);

  /// What happened to each position of a tensor array: known here, or a value of the run.
  struct Marks {
    std::optional<std::vector<int32_t>> known;
    Value value;
    bool unchecked = false;  // value may hold a mistake nobody has looked for
  };
  Value value_of(const Marks& marks);
  void touch_known(Operation& op, Operation& array, Marks& marks, Touch touch,
                   const std::vector<int64_t>& positions);
  void touch_in_run(Operation& op, Operation& array, Marks& marks, Touch touch, Value positions);
  /// Makes the run look for mistakes in the arrays made in this context.
  void check_marks(const Context* context);
  /// Arrays from around a context that operations inside touch.
  void find_touched(const Context& context, std::vector<Operation*>& found);
  std::vector<int64_t> positions_of(Operation& op);
  /// Sizes that the growing arrays of a loop reach, where its iterations can be counted.
  std::map<Operation*, int64_t> reached(Operation& op);
  Value grown(Value array, int64_t size);
  void grow_marks(Operation* array, int64_t size);
  void grow_carried(Operation& op, Carried& carried);

  // Inside a region, what is said of the graph being recorded is kept in the same places; that of
  // the graph around it waits in outer_.
  struct State {
    trivium::Graph* graph = nullptr;
    RegionDraft* draft = nullptr;
    const Context* context = nullptr;
    Operation* owner = nullptr;
    Value token;
    std::unordered_map<int64_t, Value> values;
    std::unordered_map<int64_t, Data> known;
    std::unordered_map<Operation*, Value> initials;
    std::unordered_map<Operation*, Write> last;
    std::vector<Operation*> written;
    std::unordered_map<Operation*, std::shared_ptr<const Writes>> seen;
    std::vector<Operation*> ops;
    std::map<Edge, std::shared_ptr<Unwritten>> unwritten;
    std::map<Operation*, Marks> marks;
  };
  void exchange(State& state);
  bool inside() const { return !outer_.empty(); }
  /// Whether the operation belongs to a graph around the region being recorded.
  bool is_outside(const Operation* op) const;
  /// f() in the graph around the region being recorded.
  template <typename F>
  auto outside(F&& f) {
    struct Around {
      Translator& t;
      State state;
      explicit Around(Translator& translator) : t(translator), state(std::move(t.outer_.back())) {
        t.outer_.pop_back();
        t.exchange(state);
      }
      ~Around() {
        t.exchange(state);
        t.outer_.push_back(std::move(state));
      }
    } around(*this);
    return f();
  }
  /// A leaf of the outermost graph, and what stands for it here.
  Value from_root(const std::function<Value()>& make);
  /// A value of the graph around, inside the region.
  Value captured(Value outer);
  class Inside;
  bool record_loop(Operation& op, Carried& carried);
  void record_condition(Operation& op, const Carried& carried, RegionDraft& draft);
  void record_body(Operation& op, const Carried& carried, RegionDraft& draft);
  void unroll(Operation& op);
  void take_branch(Operation& op, const Context& context);
  void record_branch(Operation& op, const Context& context, RegionDraft& draft,
                     const std::vector<Operation*>& variables,
                     const std::vector<Operation*>& arrays);
  Value token();
  Value host_call(Operation& op, const std::vector<Value>& inputs,
                  const std::vector<ValueMeta>& results,
                  std::function<void(const std::vector<Array>&, const std::vector<Array>&)> call);
  Value host_call(Operation& op, const std::vector<Operation::Edge>& inputs,
                  const std::vector<ValueMeta>& results,
                  std::function<void(const std::vector<Array>&, const std::vector<Array>&)> call);
  void call_host(Operation& op);
  void merge_from(Operation& op, const std::vector<Operation*>& others);
  /// Whether host operations run in the middle of the plan: their numbers are needed there.
  bool calls_host() const { return inside() || unrolling_ > 0; }
  void translate_context(const Context& context);

  Store* store_;
  const std::vector<Feed>& feeds_;
  Session* session_;
  std::unique_ptr<trivium::Graph> root_graph_;
  trivium::Graph* graph_;
  RegionDraft* draft_ = nullptr;
  const Context* context_ = nullptr;
  Operation* owner_ = nullptr;
  Value token_;
  std::vector<State> outer_;
  int unrolling_ = 0;
  bool again_ = false;  // operations are translated a second time: they touch nothing
  std::map<Edge, std::shared_ptr<Unwritten>> unwritten_;
  std::map<Operation*, Marks> marks_;
  std::map<const Context*, Operation*> loops_;  // by condition and body
  std::unordered_map<int64_t, int> fed_;
  std::unordered_map<int64_t, Value> values_;
  std::unordered_map<int64_t, Data> known_;
  std::unordered_map<Operation*, Value> initials_;
  std::unordered_map<Operation*, Write> last_;
  std::vector<Operation*> written_;
  std::unordered_map<Operation*, std::shared_ptr<const Writes>> seen_;
  int sequence_ = 0;
  std::vector<Leaf> leaves_;
  std::vector<Draw> draws_;
  std::set<int> looked_at_;
  std::vector<std::pair<VariableState*, bool>> assumptions_;
  std::vector<Operation*> host_ops_, ops_;
};

/// What is wrong with reading a position that was never written and has no shape.
std::string unwritten_text(int64_t position, const PartialShape& element);

/// The numbers of one draw.
Array drawn(const Translator::Draw& draw);
/// What a host operation gives.
std::vector<Data> run_host(const Operation& op, const std::vector<Data>& inputs, Session& session);

/// The value of an operation on these inputs; nothing when it can not be had.
std::optional<Array> fold(const Operation& op, int index, const std::vector<Array>& inputs);

/// Runs an engine graph without leaves to bind; for constants.
std::vector<Array> run_constants(const trivium::Graph& graph, const std::vector<Value>& fetches);

}  // namespace trivium::tf
