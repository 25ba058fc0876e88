#include "trivium/engine/record/var.h"

#include <algorithm>
#include <mutex>

#include "trivium/engine/ops/build.h"
#include "trivium/engine/record/safety.h"
#include "trivium/engine/record/strided.h"
#include "trivium/engine/record/var_impl.h"

namespace trivium::record {
namespace {

VarImpl& checked(const Ref<VarImpl>& impl) {
  if (!impl) user_error("an undefined tensor is used");
  return *impl;
}

size_t calls_to_last_slice(const VarImpl& x) {
  static const OpDef* const slice = &OpRegistry::instance().get("slice");
  size_t n = x.chain.size();
  while (n > 0 && x.chain[n - 1]->op != slice) --n;
  return n;
}

/// The view names a part of memory that is there and has no history: a batch of the data, a row of
/// a table. The place of such a part changes from step to step, so it is read out when an op wants
/// it and is an input like any other. A recorded slice has its place in the structure: there would
/// be a plan for every place. Nothing is kept of it: a list of all batches holds no second copy.
bool is_part_of_memory(const VarImpl& x) {
  const Slot& whole = *x.storage->current;
  if (!whole.is_ready() || whole.error || whole.is_number) return false;
  if (x.base && (x.base->wants_grad || x.base->edge.node)) return false;
  return calls_to_last_slice(x) > 0;
}

/// The part as it is after `calls` views. Null when strides cannot say it, and when it is more than
/// half of the whole: then there are few places, and reading it out would cost.
Ref<Slot> read_part(const VarImpl& x, size_t calls) {
  Slot& whole = *x.storage->current;
  Layout layout = Layout::row_major(whole.meta->shape);
  for (size_t i = 0; i < calls; ++i)
    if (!layout.apply(*x.chain[i])) return {};
  Shape shape(layout.shape);
  if (shape.count() > whole.meta->count / 2) return {};
  return Slot::ready(contiguous_copy(
      {whole.memory(), std::move(shape), std::move(layout.strides), layout.offset, nullptr}));
}

}  // namespace

void count_up(VarImpl* p) { p->retain(); }
void count_down(VarImpl* p) { p->release(); }

Scope::Scope(const std::string& name) : before_(Tape::mine().scope()) {
  Tape::mine().set_scope(scope_id(name));
}
Scope::~Scope() { Tape::mine().set_scope(before_); }

VarImpl::~VarImpl() {
  if (keeps_grad && edge.node && edge.node->rare)
    std::erase_if(edge.node->rare->kept, [&](const auto& k) { return k.second == this; });
  if (cached) cached->release_view();
  if (companion && drop_companion) drop_companion(companion);
}

void VarImpl::cache(const Ref<Slot>& slot) {
  Slot* before = cached;
  cached = slot.get();
  if (cached) cached->retain_view();
  if (before) before->release_view();
}

Var::Var(Array value, bool requires_grad) : impl_(make_counted<VarImpl>()) {
  impl_->storage = make_counted<Storage>(Slot::ready(std::move(value)));
  impl_->meta = impl_->storage->current->meta;
  if (requires_grad) set_requires_grad(true);
}

Var Var::of(Val val) {
  return Var(make_counted<VarImpl>(std::move(val.slot), std::move(val.edge)));
}

const Meta* Var::meta() const { return checked(impl_).meta; }

Val val_of(const Var& v) {
  VarImpl& x = checked(v.ref());
  Storage& storage = *x.storage;
  if (x.foreign || storage.exports > 0) {
    // Somebody outside may write this memory at any time: what is recorded gets the content of now.
    const Slot& now = *storage.current;
    if (!now.is_ready()) Tape::submit_of(storage.current->tape);
    if (storage.current->error) std::rethrow_exception(storage.current->error);
    Ref<Slot> copy = Slot::ready(contiguous_copy(v.share()));
    return {std::move(copy), x.detached ? Edge{} : edge_for(x)};
  }
  if (!x.is_view()) return {storage.current, edge_for(x)};
  if (x.cached && x.cached_version == storage.version && !x.cached->error)
    return {Ref<Slot>(x.cached), edge_for(x)};
  Val val;
  size_t i = 0;
  if (is_part_of_memory(x)) {
    i = calls_to_last_slice(x);
    if (!(val.slot = read_part(x, i))) i = 0;
  }
  if (i == x.chain.size()) return {std::move(val.slot), edge_for(x)};
  if (i == 0) val = x.base ? val_of(Var(x.base)) : Val{storage.current, {}};
  const bool history = static_cast<bool>(val.edge.node) && !x.detached;
  for (; i < x.chain.size(); ++i) {
    Val next;
    record_call(x.chain[i], {&val, 1}, {&next, 1}, history);
    val = std::move(next);
  }
  x.cache(val.slot);
  x.cached_version = storage.version;
  if (history && !x.wants_grad) x.edge = val.edge;
  return {val.slot, edge_for(x)};
}

void Var::eval() const {
  const Val v = val_of(*this);
  if (v.slot->tape) Tape::submit_of(v.slot->tape);
  if (v.slot->error) std::rethrow_exception(v.slot->error);
}

Array Var::array() const {
  VarImpl& x = checked(impl_);
  if (x.is_view()) {  // a view of memory is read where it lies
    Storage& storage = *x.storage;
    const bool pending = x.cached && x.cached_version == storage.version && !x.cached->is_ready();
    if (!pending || storage.current->is_ready()) {
      std::vector<int64_t> s;
      int64_t offset;
      if (storage.current->tape) Tape::submit_of(storage.current->tape);
      if (storage.current->error) std::rethrow_exception(storage.current->error);
      if (strides(&s, &offset)) {
        const Array& base = storage.current->memory();
        if (is_row_major(x.meta->shape, s))
          return Array(x.meta->shape, base.dtype(), base.buffer(),
                       static_cast<size_t>(static_cast<char*>(base.raw()) -
                                           static_cast<char*>(base.buffer()->data())) +
                           static_cast<size_t>(offset) * size_of(base.dtype()));
        return contiguous_copy({base, x.meta->shape, s, offset, nullptr});
      }
    }
  }
  const Val v = val_of(*this);  // held here, so that the submission keeps it
  if (v.slot->tape) Tape::submit_of(v.slot->tape);
  if (v.slot->error) std::rethrow_exception(v.slot->error);
  return v.slot->memory();
}

double Var::item() const {
  if (count() != 1)
    user_error("item: a tensor of one element expected, {} has {}", meta()->text(), count());
  return array().at(0);
}

bool Var::requires_grad() const {
  const VarImpl& x = checked(impl_);
  if (x.wants_grad || x.edge.node) return true;
  if (x.is_view() && x.base && !x.detached && is_floating(x.meta->dtype))
    return Var(x.base).requires_grad();
  return false;
}

bool Var::is_leaf() const {
  const VarImpl& x = checked(impl_);
  if (x.wants_grad) return true;
  if (x.is_view() && x.base && !x.detached) return !requires_grad();
  return !x.edge.node;
}

void Var::set_requires_grad(bool on) {
  VarImpl& x = checked(impl_);
  if (on && !is_floating(x.meta->dtype))
    user_error("requires_grad: only floating tensors can have gradients, this is {}",
               x.meta->text());
  if (!is_leaf()) {
    if (!on)
      user_error("requires_grad: a result of {} cannot stop requiring a gradient; use detach()",
                 grad_op());
    return;
  }
  x.wants_grad = on;
}

std::string Var::grad_op() const {
  val_of(*this);
  const VarImpl& x = checked(impl_);
  return x.edge.node ? x.edge.node->name() : "";
}

Var Var::grad() const {
  const VarImpl& x = checked(impl_);
  return x.grad ? Var(x.grad) : Var();
}

void Var::set_grad(const Var& grad) {
  VarImpl& x = checked(impl_);
  if (grad.defined() && grad.meta() != x.meta)
    user_error("grad: {} expected, {} received", x.meta->text(), grad.meta()->text());
  if (grad.defined() && grad.same_as(*this))
    user_error("grad: a tensor cannot be its own gradient");
  x.grad = grad.ref();
}

void Var::retain_grad() {
  VarImpl& x = checked(impl_);
  if (!requires_grad()) user_error("retain_grad: the tensor does not require a gradient");
  if (is_leaf() || x.keeps_grad) return;
  val_of(*this);
  x.keeps_grad = true;
  x.edge.node->rarely().kept.emplace_back(x.edge.output, &x);
}

bool Var::retains_grad() const { return checked(impl_).keeps_grad; }

Var Var::detach() const {
  const VarImpl& x = checked(impl_);
  Var v{make_counted<VarImpl>()};
  v.impl_->storage = x.storage;
  v.impl_->meta = x.meta;
  v.impl_->chain = x.chain;
  v.impl_->foreign = x.foreign;
  v.impl_->uncounted = x.uncounted;
  return v;
}

int64_t Var::add_hook(Hook hook) {
  VarImpl& x = checked(impl_);
  if (!requires_grad()) user_error("register_hook: the tensor does not require a gradient");
  const int64_t id = x.next_hook++;
  if (is_leaf()) {
    x.hooks.emplace_back(id, std::move(hook));
  } else {
    val_of(*this);
    x.edge.node->rarely().hooks.push_back({x.edge.output, {id, std::move(hook)}});
  }
  return id;
}

void Var::remove_hook(int64_t id) {
  VarImpl& x = checked(impl_);
  std::erase_if(x.hooks, [&](const auto& h) { return h.first == id; });
  if (x.edge.node && x.edge.node->rare)
    std::erase_if(x.edge.node->rare->hooks,
                  [&](const auto& h) { return h.first == x.edge.output && h.second.first == id; });
}

int64_t Var::version() const { return checked(impl_).storage->version; }

void Var::set_data(const Var& other) {
  VarImpl& x = checked(impl_);
  VarImpl& y = checked(other.impl_);
  if (x.wants_grad && !is_floating(y.meta->dtype))
    user_error("data: a tensor that requires a gradient cannot hold {}", y.meta->text());
  if (x.storage == y.storage && x.chain == y.chain) return;
  x.storage = y.storage;
  x.chain = y.chain;
  x.meta = y.meta;
  x.foreign = y.foreign;
  x.base.reset();
  x.cache({});
  x.cached_version = -1;
}

namespace {

/// No element of the as_strided view is another's memory too.
bool names_once(const Call& view) {
  const Array places = ops::strided_places(*view.attrs);
  std::vector<int64_t> all(places.data<int64_t>(), places.data<int64_t>() + places.count());
  std::sort(all.begin(), all.end());
  return std::adjacent_find(all.begin(), all.end()) == all.end();
}

/// `before` (the storage's value along the chain up to a view) with the view's part replaced.
Val write_through(const Call* view, const Val& before, const Val& part, bool history) {
  const std::string& name = view->op->name();
  const Shape& shape = before.meta()->shape;
  Val out;
  if (name == "reshape") {
    record_call(reshape_call(shape.dims()), {&part, 1}, {&out, 1}, history);
  } else if (name == "permute") {
    const std::vector<int64_t>& perm = view->attrs->integers("perm");
    std::vector<int64_t> back(perm.size());
    for (size_t i = 0; i < perm.size(); ++i)
      back[shape.axis(static_cast<int>(perm[i]))] = static_cast<int64_t>(i);
    record_call(permute_call(back), {&part, 1}, {&out, 1}, history);
  } else if (name == "slice") {
    static const OpDef& scatter = OpRegistry::instance().get("slice_scatter");
    const Val both[] = {before, part};
    record_call(call(scatter, *view->attrs), both, {&out, 1}, history);
  } else if (name == "as_strided" && names_once(*view)) {
    static const Call* const update = call("index_update", {{"axis", 0}, {"mode", "set"}});
    const int64_t count = shape.count(), parts = part.meta()->count;
    Val three[3] = {{}, {Slot::ready(ops::strided_places(*view->attrs)), {}}, {}}, flat;
    record_call(reshape_call({&count, 1}), {&before, 1}, {&three[0], 1}, history);
    record_call(reshape_call({&parts, 1}), {&part, 1}, {&three[2], 1}, history);
    record_call(update, three, {&flat, 1}, history);
    record_call(reshape_call(shape.dims()), {&flat, 1}, {&out, 1}, history);
  } else {
    user_error("a {} view names some elements more than once: write to a clone() of it", name);
  }
  return out;
}

/// The tensor is now the result of `edge`; a retained gradient is that of the new content.
void move_history(VarImpl& x, const Edge& edge) {
  if (x.keeps_grad && x.edge.node && x.edge.node->rare)
    std::erase_if(x.edge.node->rare->kept, [&](const auto& k) { return k.second == &x; });
  x.edge = edge;
  if (x.keeps_grad && edge.node) edge.node->rarely().kept.emplace_back(edge.output, &x);
}

}  // namespace

void Var::assign(const Var& value) {
  VarImpl& x = checked(impl_);
  if (value.meta() != x.meta)
    user_error("assign: {} expected, {} received", x.meta->text(), value.meta()->text());
  Val now = val_of(value);
  const bool history = grad_enabled();
  VarImpl* owner = x.is_view() && x.base ? x.base.get() : &x;
  if (history && owner->wants_grad && !owner->edge.node)
    user_error("{} that requires a gradient is written in place: do it under no_grad",
               x.is_view() ? "a view of a leaf" : "a leaf");
  Storage& storage = *x.storage;
  const Ref<Slot> before = storage.current;
  if (!x.is_view()) {
    storage.current = now.slot;
    if (history) move_history(x, now.edge);
  } else {
    std::vector<Val> along{x.base ? val_of(Var(x.base)) : Val{storage.current, {}}};
    if (!history || x.detached) along[0].edge = {};
    for (size_t i = 0; i + 1 < x.chain.size(); ++i) {
      along.emplace_back();
      record_call(x.chain[i], {&along[i], 1}, {&along[i + 1], 1}, history);
    }
    Val part = history ? now : Val{now.slot, {}};
    for (size_t i = x.chain.size(); i-- > 0;)
      part = write_through(x.chain[i], along[i], part, history);
    storage.current = part.slot;
    if (history && x.base && !x.detached) x.base->edge = part.edge;
    if (!x.base && history) x.edge = now.edge;
  }
  ++storage.version;
  if (strict_inplace()) {
    if (x.uncounted) uncounted_write(storage);
    if (history && now.edge.node) watch_written(*now.edge.node, *value.impl_, x);
  }
  if (Tape* owner = storage.current->tape) {
    owner->rebound(storage, before);
  } else if (storage.exports > 0 && before->is_ready() && before->memory().defined() &&
             before->memory().raw() != storage.current->memory().raw()) {
    Array place = before->memory();
    place.copy_from(storage.current->memory());
    storage.current = before;
  }
  if (x.is_view()) {
    x.cache({});
    x.cached_version = -1;
    if (history && x.base && !x.detached && !x.wants_grad) x.edge = {};
  }
  if (storage.exports > 0 && storage.current->tape) Tape::submit_of(storage.current->tape);
}

bool Var::is_view() const { return checked(impl_).is_view(); }
bool Var::shares_storage(const Var& other) const {
  return checked(impl_).storage == checked(other.impl_).storage;
}
const void* Var::storage_id() const { return checked(impl_).storage.get(); }

bool Var::strides(std::vector<int64_t>* strides, int64_t* offset) const {
  const VarImpl& x = checked(impl_);
  Layout layout = Layout::row_major(x.storage->current->meta->shape);
  for (const Call* c : x.chain)
    if (!layout.apply(*c)) return false;
  *strides = layout.strides;
  *offset = layout.offset;
  return true;
}

bool Var::is_contiguous() const {
  if (!is_view()) return true;
  std::vector<int64_t> s;
  int64_t offset;
  return strides(&s, &offset) && is_row_major(shape(), s);
}

Var::Exported Var::share() const {
  VarImpl& x = checked(impl_);
  Storage& storage = *x.storage;
  if (storage.current->tape) Tape::submit_of(storage.current->tape);
  if (storage.current->error) std::rethrow_exception(storage.current->error);
  Exported e;
  e.shape = x.meta->shape;
  if (!strides(&e.strides, &e.offset)) {  // no strides say it: a copy
    const Val v = val_of(*this);
    if (v.slot->tape) Tape::submit_of(v.slot->tape);
    if (v.slot->error) std::rethrow_exception(v.slot->error);
    e.base = v.slot->memory();
    e.strides = Layout::row_major(shape()).strides;
    e.offset = 0;
    return e;
  }
  e.base = storage.current->memory();
  struct Token {
    Ref<Storage> storage;
    explicit Token(Ref<Storage> s) : storage(std::move(s)) { ++storage->exports; }
    ~Token() { --storage->exports; }
  };
  e.token = std::make_shared<Token>(x.storage);
  return e;
}

void Var::mark_foreign() { checked(impl_).foreign = true; }

void* Var::companion() const { return checked(impl_).companion; }
void Var::set_companion(void* object, void (*dropped)(void*)) {
  VarImpl& x = checked(impl_);
  x.companion = object;
  x.drop_companion = dropped;
}

Var storage_root(const Var& v) {
  const VarImpl& x = checked(v.ref());
  if (!x.is_view()) return v;
  if (x.base) return Var(x.base);
  Var root{make_counted<VarImpl>()};
  root.impl()->storage = x.storage;
  root.impl()->meta = x.storage->current->meta;
  root.impl()->foreign = x.foreign;
  root.impl()->uncounted = x.uncounted;
  return root;
}

Var view(const Call* call, const Var& base) {
  VarImpl& b = checked(base.ref());
  const Meta* operand = b.meta;
  const Inference& inference = call->infer({&operand, 1});
  Var v{make_counted<VarImpl>()};
  VarImpl& x = *v.impl();
  x.storage = b.storage;
  x.meta = inference.results[0];
  x.chain.reserve(b.chain.size() + 1);
  x.chain = b.chain;
  x.chain.push_back(call);
  x.foreign = b.foreign;
  x.uncounted = b.uncounted;
  x.detached = b.detached || !grad_enabled();
  x.base = b.is_view() ? b.base : base.ref();  // none: a view of a detached view
  if (x.foreign || x.storage->exports > 0 || is_part_of_memory(x)) return v;
  // Derive it from its neighbour's value, which is at hand, rather than from the storage's.
  Val from = val_of(base), to;
  record_call(call, {&from, 1}, {&to, 1}, grad_enabled() && !x.detached);
  x.cache(to.slot);
  x.cached_version = x.storage->version;
  x.edge = to.edge;
  return v;
}

Var number(double value, DType dtype) { return Var::of({Slot::number(value, dtype), {}}); }

void submit() { Tape::mine().submit(); }

std::vector<Value> trace(Graph& graph, std::span<const Var> tensors) {
  std::vector<int32_t> indices;
  for (const Var& t : tensors) {
    const Val v = val_of(t);
    if (v.slot->tape != &Tape::mine())
      user_error("trace: {} is not waiting to be run on this thread", t.meta()->text());
    indices.push_back(v.slot->index);
  }
  std::vector<Value> all, result;
  Tape::mine().trace(graph, all);
  for (int32_t i : indices) result.push_back(all[i]);
  return result;
}

}  // namespace trivium::record
