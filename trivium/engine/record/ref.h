// Ref: a counted pointer whose count is inside the object. Half the size of shared_ptr and one
// allocation less, which is what a recorder that makes several objects an op needs.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace trivium::record {

/// Base of counted objects. An object starts with the one reference that make_counted hands out;
/// T::destroy() is called when the last reference goes.
template <typename T>
class Counted {
 public:
  Counted() = default;
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  void retain() { count_.fetch_add(1, std::memory_order_relaxed); }
  void release() {
    // Who holds the only reference shares it with nobody: looking is cheaper than subtracting.
    if (count_.load(std::memory_order_acquire) == 1 ||
        count_.fetch_sub(1, std::memory_order_acq_rel) == 1)
      static_cast<T*>(this)->destroy();
  }
  int32_t references() const { return count_.load(std::memory_order_relaxed); }

 protected:
  ~Counted() = default;
  std::atomic<int32_t> count_{1};
};

// How a Ref counts. Types that are only declared where Refs to them are copied overload these.
template <typename T>
void count_up(T* p) {
  p->retain();
}
template <typename T>
void count_down(T* p) {
  p->release();
}

template <typename T>
class Ref {
 public:
  Ref() = default;
  Ref(std::nullptr_t) {}
  explicit Ref(T* p) : p_(p) {
    if (p_) count_up(p_);
  }
  /// Takes over a reference that is counted already.
  static Ref adopt(T* p) {
    Ref ref;
    ref.p_ = p;
    return ref;
  }
  Ref(const Ref& other) : Ref(other.p_) {}
  Ref(Ref&& other) noexcept : p_(std::exchange(other.p_, nullptr)) {}
  ~Ref() {
    if (p_) count_down(p_);
  }
  Ref& operator=(Ref other) noexcept {
    std::swap(p_, other.p_);
    return *this;
  }
  T* get() const { return p_; }
  T* operator->() const { return p_; }
  T& operator*() const { return *p_; }
  explicit operator bool() const { return p_ != nullptr; }
  friend bool operator==(const Ref& a, const Ref& b) { return a.p_ == b.p_; }
  void reset() { *this = Ref(); }

 private:
  T* p_ = nullptr;
};

/// A new object with its first reference.
template <typename T, typename... Args>
Ref<T> make_counted(Args&&... args) {
  return Ref<T>::adopt(new T(std::forward<Args>(args)...));
}

}  // namespace trivium::record
