#include "trivium/formats/pickle.h"

#include <bit>
#include <unordered_map>

#include "trivium/formats/pickle_globals.h"
#include "trivium/formats/pickle_nesting.h"

namespace trivium::formats {
namespace {

/// Bytes the constructors may copy for each byte of the pickle, and what is free.
constexpr uint64_t kCopyFactor = 4, kFreeCopies = uint64_t{1} << 16;
constexpr size_t kMaxGlobalName = 512;
/// An integer longer than this is no count or identifier.
constexpr uint64_t kMaxIntegerBytes = 4096;

class Machine {
 public:
  Machine(ByteReader& in, const PickleOptions& options)
      : in_(in),
        options_(options),
        globals_(options.mode, kCopyFactor * in.remaining() + kFreeCopies) {}

  /// Containers may hold each other in rings or in long chains, which must not be destroyed by
  /// recursion: unless the result was found sound, every one made is emptied first.
  ~Machine() {
    if (sound_) return;
    for (const PickleValue& container : made_) container.clear();
  }

  PickleValue run() {
    start_ = in_.offset();
    for (;;) {
      at_ = in_.offset();
      const uint8_t op = in_.u8("a pickle opcode");
      try {
        if (op == '.') {
          const PickleValue result = pop();
          check_nesting(made_, options_.limits.max_depth);
          sound_ = true;
          return result;
        }
        step(op);
      } catch (const UserError& error) {
        const std::string what = error.what();
        if (what.starts_with(in_.name())) throw;
        in_.fail("{}", what);
      }
      if (in_.offset() - start_ > options_.limits.max_bytes)
        in_.fail("the pickle is longer than the limit of {} bytes", options_.limits.max_bytes);
    }
  }

 private:
  void step(uint8_t op);
  bool step_scalar(uint8_t op);
  bool step_text(uint8_t op);
  bool step_container(uint8_t op);
  bool step_memo(uint8_t op);
  bool step_object(uint8_t op);

  void push(PickleValue value) {
    if (++pushed_ > options_.limits.max_values)
      in_.fail("more than {} values in one pickle", options_.limits.max_values);
    stack_.push_back(std::move(value));
  }

  /// A new container, remembered so that it can be taken apart.
  void push_made(PickleValue value) {
    made_.push_back(value);
    push(std::move(value));
  }

  PickleValue pop() {
    if (stack_.size() <= bottom()) in_.fail("the stack is empty: the pickle is broken");
    PickleValue top = std::move(stack_.back());
    stack_.pop_back();
    return top;
  }

  PickleValue& top() {
    if (stack_.size() <= bottom()) in_.fail("the stack is empty: the pickle is broken");
    return stack_.back();
  }

  size_t bottom() const { return marks_.empty() ? 0 : marks_.back(); }

  std::vector<PickleValue> pop_to_mark() {
    if (marks_.empty()) in_.fail("a mark expected on the stack, none is there");
    const auto from = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<PickleValue> items(std::make_move_iterator(from),
                                   std::make_move_iterator(stack_.end()));
    stack_.erase(from, stack_.end());
    marks_.pop_back();
    return items;
  }

  void push_tuple(size_t count) {
    std::vector<PickleValue> items(count);
    for (size_t i = count; i-- > 0;) items[i] = pop();
    push_made(PickleValue::tuple(std::move(items)));
  }

  std::string text(uint64_t count, const char* what) {
    const Bytes part = in_.take(count, what);
    return {reinterpret_cast<const char*>(part.data()), part.size()};
  }

  void push_unicode(uint64_t count) {
    std::string value = text(count, "a string");
    if (!is_utf8(value)) in_.fail("a string of {} bytes is not valid UTF-8", value.size());
    push(std::move(value));
  }

  void push_long(uint64_t count) {
    if (count > kMaxIntegerBytes)
      in_.fail("an integer of {} bytes: at most {} are accepted", count, kMaxIntegerBytes);
    const Bytes raw = in_.take(count, "an integer");
    if (count > 8) return push(PickleValue::big_integer({raw.begin(), raw.end()}));
    uint64_t value = count > 0 && raw[count - 1] >= 0x80 ? ~uint64_t{0} : 0;
    for (uint64_t i = count; i-- > 0;) value = value << 8 | raw[i];
    push(static_cast<int64_t>(value));
  }

  std::string line() {
    std::string out;
    for (;;) {
      const char c = static_cast<char>(in_.u8("the name of a global"));
      if (c == '\n') return out;
      out += c;
      if (out.size() > kMaxGlobalName) in_.fail("the name of a global is too long");
    }
  }

  void push_global(const std::string& module, const std::string& name) {
    if (module.size() + name.size() > kMaxGlobalName || !is_utf8(module) || !is_utf8(name))
      in_.fail("the name of a global is too long or not UTF-8");
    push(globals_.load(module, name));
  }

  void add_entries(const PickleValue& target, const std::vector<PickleValue>& flat) {
    if (!target.is(PickleValue::Kind::dict) && !keeps_anything(target))
      in_.fail("entries are stored into {}: a dict expected", target.describe());
    if (flat.size() % 2 != 0) in_.fail("{} keys and values: an even number expected", flat.size());
    for (size_t i = 0; i < flat.size(); i += 2) target.set_entry(flat[i], flat[i + 1]);
  }

  void add_items(const PickleValue& target, std::vector<PickleValue> items,
                 PickleValue::Kind kind) {
    if (!target.is(kind) && !keeps_anything(target))
      in_.fail("items are added to {}: a list or set expected", target.describe());
    for (PickleValue& item : items) target.items().push_back(std::move(item));
  }

  bool keeps_anything(const PickleValue& target) const {
    return options_.mode == PickleMode::inspect && target.is(PickleValue::Kind::record);
  }

  void remember(uint64_t slot) { memo_[slot] = top(); }
  void recall(uint64_t slot) {
    const auto found = memo_.find(slot);
    if (found == memo_.end()) in_.fail("memo {} was never stored", slot);
    push(found->second);
  }

  ByteReader& in_;
  const PickleOptions& options_;
  PickleGlobals globals_;
  std::vector<PickleValue> stack_, made_;
  std::vector<size_t> marks_;
  std::unordered_map<uint64_t, PickleValue> memo_;
  uint64_t start_ = 0, at_ = 0, pushed_ = 0;
  bool sound_ = false;
};

void Machine::step(uint8_t op) {
  if (step_scalar(op) || step_text(op) || step_container(op) || step_memo(op) || step_object(op))
    return;
  const std::string shown =
      op > 32 && op < 127 ? fmt::format("'{}'", static_cast<char>(op)) : fmt::format("{:#04x}", op);
  user_error(
      "{}: byte {}: opcode {} is not one that plain data needs: this is no pickle, or one of "
      "another protocol than 2 to 5",
      in_.name(), at_, shown);
}

bool Machine::step_scalar(uint8_t op) {
  switch (op) {
    case 0x80: {  // PROTO
      const uint8_t protocol = in_.u8("the protocol");
      if (protocol > 5) in_.fail("protocol {} is unknown: 2 to 5 are read", protocol);
      return true;
    }
    case 0x95:  // FRAME: only says how much to read ahead
      in_.u64("a frame length");
      return true;
    case 'N':
      push(PickleValue());
      return true;
    case 0x88:
      push(true);
      return true;
    case 0x89:
      push(false);
      return true;
    case 'J':
      push(static_cast<int64_t>(static_cast<int32_t>(in_.u32("an integer"))));
      return true;
    case 'K':
      push(static_cast<int64_t>(in_.u8("an integer")));
      return true;
    case 'M':
      push(static_cast<int64_t>(in_.u16("an integer")));
      return true;
    case 0x8a:
      push_long(in_.u8("the length of an integer"));
      return true;
    case 0x8b:
      push_long(in_.u32("the length of an integer"));
      return true;
    case 'G':
      push(std::bit_cast<double>(__builtin_bswap64(in_.u64("a number"))));
      return true;
    default:
      return false;
  }
}

bool Machine::step_text(uint8_t op) {
  switch (op) {
    case 'X':
      push_unicode(in_.u32("the length of a string"));
      return true;
    case 0x8c:
      push_unicode(in_.u8("the length of a string"));
      return true;
    case 0x8d:
      push_unicode(in_.u64("the length of a string"));
      return true;
    case 'U':  // Python 2: text or bytes, nobody knows
      push(text(in_.u8("the length of a string"), "a string"));
      return true;
    case 'T':
      push(text(in_.u32("the length of a string"), "a string"));
      return true;
    case 'C':
      push(PickleValue::bytes(text(in_.u8("the length of bytes"), "bytes")));
      return true;
    case 'B':
      push(PickleValue::bytes(text(in_.u32("the length of bytes"), "bytes")));
      return true;
    case 0x8e:  // BINBYTES8
    case 0x96:  // BYTEARRAY8
      push(PickleValue::bytes(text(in_.u64("the length of bytes"), "bytes")));
      return true;
    default:
      return false;
  }
}

bool Machine::step_container(uint8_t op) {
  using Kind = PickleValue::Kind;
  switch (op) {
    case '(':
      if (++pushed_ > options_.limits.max_values)
        in_.fail("more than {} values in one pickle", options_.limits.max_values);
      marks_.push_back(stack_.size());
      return true;
    case 't':
      push_made(PickleValue::tuple(pop_to_mark()));
      return true;
    case ')':
    case 0x85:
    case 0x86:
    case 0x87:
      push_tuple(op == ')' ? 0 : op - 0x84u);
      return true;
    case ']':
      push_made(PickleValue::list());
      return true;
    case '}':
      push_made(PickleValue::dict());
      return true;
    case 0x8f:
      push_made(PickleValue::set());
      return true;
    case 0x91:  // FROZENSET
      push_made(PickleValue::set(pop_to_mark()));
      return true;
    case 'a': {
      std::vector<PickleValue> one;
      one.push_back(pop());
      add_items(top(), std::move(one), Kind::list);
      return true;
    }
    case 'e':
    case 0x90: {
      std::vector<PickleValue> items = pop_to_mark();
      add_items(top(), std::move(items), op == 'e' ? Kind::list : Kind::set);
      return true;
    }
    case 's': {
      std::vector<PickleValue> pair(2);
      pair[1] = pop();
      pair[0] = pop();
      add_entries(top(), pair);
      return true;
    }
    case 'u': {
      const std::vector<PickleValue> flat = pop_to_mark();
      add_entries(top(), flat);
      return true;
    }
    default:
      return false;
  }
}

bool Machine::step_memo(uint8_t op) {
  switch (op) {
    case 'q':
      remember(in_.u8("a memo number"));
      return true;
    case 'r':
      remember(in_.u32("a memo number"));
      return true;
    case 0x94:
      remember(memo_.size());
      return true;
    case 'h':
      recall(in_.u8("a memo number"));
      return true;
    case 'j':
      recall(in_.u32("a memo number"));
      return true;
    default:
      return false;
  }
}

bool Machine::step_object(uint8_t op) {
  switch (op) {
    case 'c': {
      const std::string module = line();
      push_global(module, line());
      return true;
    }
    case 0x93: {  // STACK_GLOBAL
      const PickleValue name = pop(), module = pop();
      push_global(module.as_string(), name.as_string());
      return true;
    }
    case 'R':
    case 0x81: {  // NEWOBJ
      const PickleValue args = pop(), callee = pop();
      push_made(globals_.call(callee, args));
      return true;
    }
    case 0x92: {  // NEWOBJ_EX: the keyword arguments of a record are of no use here
      pop();
      const PickleValue args = pop(), callee = pop();
      push_made(globals_.call(callee, args));
      return true;
    }
    case 'b': {
      const PickleValue state = pop();
      globals_.build(top(), state);
      return true;
    }
    case 'Q': {
      const PickleValue id = pop();
      if (!options_.persistent)
        in_.fail("a persistent id ({}), which only files of torch.save have", id.describe());
      push(options_.persistent(id));
      return true;
    }
    default:
      return false;
  }
}

}  // namespace

PickleValue parse_pickle(ByteReader& in, const PickleOptions& options) {
  Machine machine(in, options);
  return machine.run();
}

}  // namespace trivium::formats
