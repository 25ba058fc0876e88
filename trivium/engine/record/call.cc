#include "trivium/engine/record/call.h"

#include <deque>
#include <mutex>
#include <unordered_map>

#include "trivium/engine/record/grad_rule.h"
#include "trivium/engine/record/tape.h"

namespace trivium::record {
namespace {

uint64_t mix(uint64_t h, uint64_t v) {
  h ^= v + 0x9e3779b97f4a7c15ull + (h << 6) + (h >> 2);
  return h * 0xff51afd7ed558ccdull;
}

struct MetaTable {
  std::mutex lock;  // guards everything below
  std::unordered_multimap<uint64_t, const Meta*> by_hash;
  std::deque<Meta> all;
};

uint64_t hash_of(const Shape& shape, DType dtype) {
  uint64_t h = static_cast<uint64_t>(dtype) * 31 + static_cast<uint64_t>(shape.rank());
  for (int64_t d : shape) h = mix(h, static_cast<uint64_t>(d));
  return h;
}

}  // namespace

std::string Meta::text() const { return name_of(dtype) + shape.text(); }

const Meta* meta_of(const Shape& shape, DType dtype) {
  // A small table of the thread's own in front of the shared one: most shapes come again at once.
  struct Recent {
    const Meta* entries[64] = {};
  };
  static thread_local Recent recent;
  const uint64_t hash = hash_of(shape, dtype);
  const Meta*& near = recent.entries[(hash >> 20) % 64];
  if (near && near->dtype == dtype && near->shape == shape) return near;
  static MetaTable& table = *new MetaTable;
  std::lock_guard<std::mutex> hold(table.lock);
  auto [at, end] = table.by_hash.equal_range(hash);
  for (; at != end; ++at)
    if (at->second->dtype == dtype && at->second->shape == shape) return near = at->second;
  table.all.push_back({shape, dtype, shape.count(), static_cast<uint32_t>(table.all.size())});
  table.by_hash.emplace(hash, &table.all.back());
  return near = &table.all.back();
}

struct Call::Memo {
  std::mutex lock;  // guards everything below
  std::unordered_multimap<uint64_t, std::unique_ptr<Inference>> entries;
};

Inference::Inference() = default;
Inference::~Inference() = default;
Call::Call() : memo(std::make_unique<Memo>()) {}
Call::~Call() = default;

namespace {

bool same(std::span<const Meta* const> a, const std::vector<const Meta*>& b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin());
}

}  // namespace

Inference& Call::infer(std::span<const Meta* const> operands) const {
  Inference* latest = last.load(std::memory_order_acquire);
  if (latest && same(operands, latest->operands)) return *latest;
  uint64_t hash = operands.size();
  for (const Meta* m : operands) hash = mix(hash, m->id);
  std::lock_guard<std::mutex> hold(memo->lock);
  auto [at, end] = memo->entries.equal_range(hash);
  for (; at != end; ++at)
    if (same(operands, at->second->operands)) {
      last.store(at->second.get(), std::memory_order_release);
      return *at->second;
    }
  auto made = std::make_unique<Inference>();
  made->operands.assign(operands.begin(), operands.end());
  made->lock = &memo->lock;
  std::vector<ValueMeta> metas;
  for (const Meta* m : operands) metas.push_back({m->shape, m->dtype});
  InferCtx ctx(*op, std::move(metas), *attrs, scope_name(Tape::mine().scope()));
  size_t required = 0;
  for (const auto& in : op->inputs()) required += !in.optional;
  const bool variadic = !op->inputs().empty() && op->inputs().back().variadic;
  if (operands.size() < required || (!variadic && operands.size() > op->inputs().size()))
    ctx.fail(fmt::format("{}{} operands expected, {} received", variadic ? "at least " : "",
                         required, operands.size()));
  op->infer()(ctx);
  for (const ValueMeta& m : ctx.outputs()) made->results.push_back(meta_of(m.shape, m.dtype));
  for (size_t i = 0; i < operands.size(); ++i)
    if (is_floating(operands[i]->dtype)) made->floating_operands |= mask_bit(i);
  for (size_t r = 0; r < made->results.size(); ++r)
    if (is_floating(made->results[r]->dtype)) made->floating_results |= mask_bit(r);
  Inference& result = *made;
  memo->entries.emplace(hash, std::move(made));
  last.store(&result, std::memory_order_release);
  return result;
}

namespace {

struct CallTable {
  std::mutex lock;  // guards everything below
  std::unordered_map<uint64_t, std::vector<const Call*>> by_hash;
  uint32_t next = 0;
};

CallTable& calls() {
  static CallTable& table = *new CallTable;
  return table;
}

struct KeyTable {
  struct Entry {
    const OpDef* op;
    std::vector<int64_t> key;
    const Call* call;
  };
  std::unordered_map<uint64_t, std::vector<Entry>> by_hash;
};

}  // namespace

const Call* call(const OpDef& op, const Attrs& attrs) {
  const std::shared_ptr<const Attrs> full = complete_attrs(op, attrs);
  const uint64_t hash =
      mix(reinterpret_cast<uintptr_t>(&op), reinterpret_cast<uintptr_t>(full.get()));
  CallTable& table = calls();
  std::lock_guard<std::mutex> hold(table.lock);
  std::vector<const Call*>& bucket = table.by_hash[hash];
  for (const Call* c : bucket)
    if (c->op == &op && c->attrs == full) return c;
  auto* made = new Call;
  made->op = &op;
  made->attrs = full;
  made->id = table.next++;
  made->cuts_history = op.name() == "stop_gradient";
  bucket.push_back(made);
  return made;
}

const Call* call(const std::string& op, const Attrs& attrs) {
  return call(OpRegistry::instance().get(op), attrs);
}

const Call* call_by_key(const OpDef& op, std::span<const int64_t> key,
                        Attrs (*make)(const OpDef&, std::span<const int64_t>)) {
  static thread_local KeyTable table;
  uint64_t hash = reinterpret_cast<uintptr_t>(&op);
  for (int64_t k : key) hash = mix(hash, static_cast<uint64_t>(k));
  std::vector<KeyTable::Entry>& bucket = table.by_hash[hash];
  for (const KeyTable::Entry& e : bucket)
    if (e.op == &op && std::equal(key.begin(), key.end(), e.key.begin(), e.key.end()))
      return e.call;
  const Call* made = call(op, make(op, key));
  bucket.push_back({&op, {key.begin(), key.end()}, made});
  return made;
}

namespace {

using Key = std::span<const int64_t>;
std::vector<int64_t> list(Key key) { return {key.begin(), key.end()}; }

const OpDef& op_named(const char* name) { return OpRegistry::instance().get(name); }

}  // namespace

const Call* reshape_call(Key shape) {
  static const OpDef& op = op_named("reshape");
  return call_by_key(op, shape, [](const OpDef&, Key k) { return Attrs{{"shape", list(k)}}; });
}

const Call* permute_call(Key perm) {
  static const OpDef& op = op_named("permute");
  return call_by_key(op, perm, [](const OpDef&, Key k) { return Attrs{{"perm", list(k)}}; });
}

const Call* broadcast_call(Key shape) {
  static const OpDef& op = op_named("broadcast_to");
  return call_by_key(op, shape, [](const OpDef&, Key k) { return Attrs{{"shape", list(k)}}; });
}

const Call* slice_call(Key starts, Key stops, Key steps) {
  static const OpDef& op = op_named("slice");
  int64_t key[3 * Shape::kMaxRank];
  const size_t n = starts.size();
  std::copy(starts.begin(), starts.end(), key);
  std::copy(stops.begin(), stops.end(), key + n);
  std::copy(steps.begin(), steps.end(), key + 2 * n);
  return call_by_key(op, {key, 3 * n}, [](const OpDef&, Key k) {
    const size_t rank = k.size() / 3;
    return Attrs{{"starts", list(k.subspan(0, rank))},
                 {"stops", list(k.subspan(rank, rank))},
                 {"steps", list(k.subspan(2 * rank, rank))}};
  });
}

const Call* as_strided_call(Key shape, Key strides, int64_t offset) {
  static const OpDef& op = op_named("as_strided");
  int64_t key[2 * Shape::kMaxRank + 1];
  const size_t n = shape.size();
  std::copy(shape.begin(), shape.end(), key);
  std::copy(strides.begin(), strides.end(), key + n);
  key[2 * n] = offset;
  return call_by_key(op, {key, 2 * n + 1}, [](const OpDef&, Key k) {
    const size_t rank = k.size() / 2;
    return Attrs{{"shape", list(k.subspan(0, rank))},
                 {"strides", list(k.subspan(rank, rank))},
                 {"offset", k[2 * rank]}};
  });
}

const Call* reduce_call(const char* name, Key axes, bool keep_dims) {
  const OpDef& op = op_named(name);
  int64_t key[Shape::kMaxRank + 1];
  key[0] = keep_dims;
  std::copy(axes.begin(), axes.end(), key + 1);
  return call_by_key(op, {key, axes.size() + 1}, [](const OpDef&, Key k) {
    return Attrs{{"axes", list(k.subspan(1))}, {"keep_dims", k[0] != 0}};
  });
}

}  // namespace trivium::record
