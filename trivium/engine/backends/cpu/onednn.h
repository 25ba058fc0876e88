// float32 convolutions of oneDNN on plain operands, frozen when built. Compiles against 2.6
// and 3.x; only onednn*.cc include dnnl headers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace trivium::cpu::onednn {

enum class Pass { forward, backward_data, backward_weights };

/// x [n, c, h, w], weights [o, c/groups, kh, kw], y [n, o, oh, ow]; pads may differ at begin and
/// end.
struct ConvSizes {
  int64_t n, c, h, w, o, oh, ow, kh, kw;
  int64_t stride_h = 1, stride_w = 1, dilation_h = 1, dilation_w = 1;
  int64_t pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0;
  int64_t groups = 1;
};

/// A convolution whose library formats are chosen by the library; operands are reordered into
/// scratch. Results do not depend on threads: backward_weights splits the batch by its size alone.
class Conv {
 public:
  /// "" when the library has this convolution, else why not.
  static std::string declines(Pass pass, const ConvSizes& sizes, bool bias);
  /// InternalError when `declines` would have said so.
  static std::shared_ptr<const Conv> make(Pass pass, const ConvSizes& sizes, bool bias, bool relu);
  virtual ~Conv() = default;
  virtual size_t scratch_bytes() const = 0;
  /// forward: (x, w, bias or null) → y; backward_data: (dy, w) → dx; backward_weights: (x, dy) →
  /// dw.
  virtual void run(const float* a, const float* b, const float* bias, float* out,
                   void* scratch) const = 0;
};

/// While it lives, the library uses the calling thread only: for calls inside our own chunks.
class LibraryThread {
 public:
  LibraryThread();
  ~LibraryThread();
  LibraryThread(const LibraryThread&) = delete;

 private:
  int before_;
};

}  // namespace trivium::cpu::onednn
