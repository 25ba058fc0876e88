// How layers are cut. Forward and the gradient of the data: one image and some of the result's
// channels, so that every element has one owner. The gradient of the weights: chunks of the batch,
// whose number follows from the layer alone, with partial sums that are added in order; a chunk of
// one image is cut by channels as well.
#include "trivium/engine/backends/cpu/c16_conv.h"

#include <algorithm>

#include "trivium/engine/backends/cpu/onednn.h"
#include "trivium/engine/core/error.h"
#include "trivium/engine/core/parallel.h"

namespace trivium::cpu::c16 {
namespace {

using onednn::BlockedConv;
using onednn::BlockedSizes;
using onednn::ConvSizes;
using onednn::Pass;

constexpr size_t kAlign = 64;
/// Pieces a layer has at least, where its channels allow it. Not a function of the threads: the
/// library adds up in another order when a piece has other sizes.
constexpr int64_t kPieces = 16;

size_t rounded(size_t bytes) { return (bytes + kAlign - 1) / kAlign * kAlign; }
int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

bool is_depthwise(const ConvSizes& s) { return s.groups > 1 && s.groups == s.c && s.c == s.o; }

BlockedSizes piece_sizes(const ConvLayer& layer, int64_t images, int64_t xs, int64_t ys) {
  BlockedSizes b{layer.sizes, layer.lanes, layer.bias};
  b.conv.n = images, b.conv.c = xs, b.conv.o = ys;
  b.conv.groups = is_depthwise(layer.sizes) ? xs : 1;
  return b;
}

int64_t weight_count(const ConvSizes& s) { return s.o * (s.c / s.groups) * s.kh * s.kw; }

/// Chunks of the batch that the weights' gradient sums apart.
int64_t chunks_of(const ConvSizes& s) {
  if (s.groups > 1) return s.n;  // the channels of a group are contiguous in one image only
  constexpr int64_t kMost = 8, kPartialBytes = 32 << 20;
  // Adding a set of partial sums takes about as long as computing it from 50 pixels, where the
  // sets outgrow the cache.
  constexpr int64_t kCached = 1 << 18, kPixels = 384;
  const int64_t worth = weight_count(s) < kCached ? s.n : s.n * s.oh * s.ow / kPixels;
  const int64_t affordable = kPartialBytes / (weight_count(s) * 4);
  const int64_t most = std::min({s.n, kMost, std::max<int64_t>(2, std::min(worth, affordable))});
  int64_t chunks = 1;
  while (chunks * 2 <= most) chunks *= 2;  // even shares for two and four threads
  return chunks;
}

}  // namespace

bool reads_plain_image(const ConvLayer& layer) {
  return layer.sizes.groups == 1 && (layer.sizes.c == 1 || layer.sizes.c == 3);
}

std::string Conv::declines(const ConvLayer& layer) {
  const ConvSizes& s = layer.sizes;
  if (s.n < 1 || s.c < 1 || s.o < 1 || s.oh < 1 || s.ow < 1 || s.h < 1 || s.w < 1)
    return "an operand is empty";
  if (reads_plain_image(layer) && layer.pass == Pass::backward_data)
    return "the gradient of a plain picture";
  if (is_depthwise(s)) {
    return BlockedConv::declines(layer.pass, piece_sizes(layer, 1, s.c, s.o));
  }
  const int64_t in = s.c / s.groups, out = s.o / s.groups;
  if (s.groups > 1 && (in % layer.lanes || out % layer.lanes))
    return fmt::format("groups of {} channels are no whole blocks", in % layer.lanes ? in : out);
  return BlockedConv::declines(layer.pass, piece_sizes(layer, 1, in, out));
}

Conv::Conv(const ConvLayer& layer) : layer_(layer) {
  const ConvSizes& s = layer.sizes;
  x_plane_ = s.h * s.w, y_plane_ = s.oh * s.ow;
  const auto padded = [&](int64_t c) { return ceil_div(c, layer.lanes) * layer.lanes; };
  x_image_ = (reads_plain_image(layer) ? s.c : padded(s.c)) * x_plane_;
  y_image_ = padded(s.o) * y_plane_;
  if (layer.pass == Pass::backward_weights) chunks_ = chunks_of(s);
  cut();
  for (Slice& slice : slices_) {
    const int64_t images = layer.pass == Pass::backward_weights ? s.n / chunks_ : 1;
    slice.whole = piece(slice, images);
    if (layer.pass == Pass::backward_weights && s.n % chunks_)
      slice.rest = piece(slice, images + 1);
    for (const auto* p : {slice.whole.get(), slice.rest.get()})
      if (p) piece_scratch_ = std::max(piece_scratch_, rounded(p->scratch_bytes()));
    packed_ += slice.weights.size();
  }
  // Neighbouring tasks share the larger of an image and a slice of weights.
  const int64_t image = layer.pass == Pass::backward_data ? y_image_ : x_image_;
  images_first_ = slices_.empty() || image >= slices_[0].weights.size();
}

std::shared_ptr<const BlockedConv> Conv::piece(const Slice& s, int64_t images) const {
  for (const Slice& other : slices_) {  // most slices are alike
    if (&other == &s) break;
    if (other.xs != s.xs || other.ys != s.ys) continue;
    const int64_t usual = layer_.pass == Pass::backward_weights ? layer_.sizes.n / chunks_ : 1;
    return images == usual ? other.whole : other.rest;
  }
  std::string reason;
  auto made = BlockedConv::make(layer_.pass, piece_sizes(layer_, images, s.xs, s.ys), reason);
  if (!made) internal_error("a piece of a convolution that was accepted: {}", reason);
  return made;
}

void Conv::add_slice(int64_t x, int64_t xs, int64_t y, int64_t ys, int64_t row, int64_t input) {
  const ConvSizes& s = layer_.sizes;
  const int64_t taps = s.kh * s.kw, inputs = s.c / s.groups;
  Slice slice{x, xs, y, ys, (row * inputs + input) * taps, 0, {}, nullptr, nullptr};
  slice.weights.blocks = onednn::weight_blocks(layer_.pass, piece_sizes(layer_, 1, xs, ys));
  slice.weights.lanes = layer_.lanes;
  slice.weights.outputs = ys;
  slice.weights.inputs = is_depthwise(s) ? 1 : xs;
  slice.weights.taps = taps;
  slice.weights.row = inputs * taps;
  if (!slices_.empty()) slice.packed = slices_.back().packed + slices_.back().weights.size();
  slices_.push_back(std::move(slice));
}

void Conv::cut() {
  const ConvSizes& s = layer_.sizes;
  const bool depthwise = is_depthwise(s), data = layer_.pass == Pass::backward_data;
  const int64_t groups = depthwise ? 1 : s.groups;
  const int64_t in = s.c / groups, out = s.o / groups;
  const int64_t extent = data ? in : out, blocks = ceil_div(extent, layer_.lanes);
  const int64_t images = layer_.pass == Pass::backward_weights ? chunks_ : s.n;
  int64_t slices = std::min(blocks, ceil_div(kPieces, images * groups));
  if (layer_.pass == Pass::backward_weights && s.n > chunks_) slices = 1;
  const int64_t channels = ceil_div(blocks, std::max<int64_t>(1, slices)) * layer_.lanes;
  for (int64_t g = 0; g < groups; ++g)
    for (int64_t first = 0; first < extent; first += channels) {
      const int64_t n = std::min(channels, extent - first);
      if (depthwise)
        add_slice(first, n, first, n, first, 0);
      else if (data)
        add_slice(g * in + first, n, g * out, out, g * out, first);
      else
        add_slice(g * in, in, g * out + first, n, g * out + first, 0);
    }
}

size_t Conv::scratch_bytes() const {
  const auto tasks = static_cast<size_t>(slices_.size());
  if (layer_.pass == Pass::backward_weights)
    return static_cast<size_t>(chunks_) * (rounded(packed_bytes()) + tasks * piece_scratch_);
  return static_cast<size_t>(layer_.sizes.n) * tasks * piece_scratch_;
}

void Conv::pack(const float* weights, float* packed) const {
  const int64_t parts = slices_[0].weights.parts();  // the last slice may have fewer
  parallel_chunks(static_cast<int64_t>(slices_.size()) * parts, [&](int64_t task) {
    const Slice& s = slices_[static_cast<size_t>(task / parts)];
    if (task % parts < s.weights.parts())
      s.weights.pack(weights + s.plain, packed + s.packed, task % parts);
  });
}

void Conv::run(const float* a, const float* b, const float* bias, const float* addend, float* out,
               void* scratch) const {
  char* const base = static_cast<char*>(scratch);
  if (layer_.pass == Pass::backward_weights)
    run_weights(a, b, out, base);
  else
    run_activations(a, b, bias, addend, out, base);
}

void Conv::run_activations(const float* a, const float* packed, const float* bias,
                           const float* addend, float* out, char* scratch) const {
  const auto slices = static_cast<int64_t>(slices_.size());
  const bool forward = layer_.pass == Pass::forward, plain = reads_plain_image(layer_);
  const int64_t lanes = layer_.lanes;
  parallel_chunks(layer_.sizes.n * slices, [&](int64_t task) {
    const int64_t n = images_first_ ? task / slices : task % layer_.sizes.n;
    const Slice& s =
        slices_[static_cast<size_t>(images_first_ ? task % slices : task / layer_.sizes.n)];
    const onednn::LibraryThread one;
    const int64_t x_at = n * x_image_ + (plain ? 0 : s.x * x_plane_),
                  y_at = n * y_image_ + s.y * y_plane_;
    float* to = out + (forward ? y_at : x_at);
    s.whole->run(a + (forward ? x_at : y_at), packed + s.packed, bias ? bias + s.y : nullptr, to,
                 scratch + static_cast<size_t>(task) * piece_scratch_);
    if (!layer_.last.needed()) return;
    // A sweep of our own while the piece is in cache: the library's relu turns NaN into 0.
    finish(layer_.last, to, addend ? addend + y_at : nullptr,
           ceil_div(s.ys, lanes) * lanes * y_plane_);
  });
}

void Conv::run_weights(const float* x, const float* dy, float* dw, char* scratch) const {
  const auto slices = static_cast<int64_t>(slices_.size());
  const int64_t n = layer_.sizes.n;
  const size_t partial_bytes = rounded(packed_bytes());
  const bool plain = reads_plain_image(layer_);
  float* const partial = reinterpret_cast<float*>(scratch);
  const int64_t stride = static_cast<int64_t>(partial_bytes / sizeof(float));
  char* const own = scratch + static_cast<size_t>(chunks_) * partial_bytes;
  parallel_chunks(chunks_ * slices, [&](int64_t task) {
    const int64_t chunk = task / slices, begin = n * chunk / chunks_,
                  count = n * (chunk + 1) / chunks_ - begin;
    const Slice& s = slices_[static_cast<size_t>(task % slices)];
    const onednn::LibraryThread one;
    const auto& conv = count == n / chunks_ ? s.whole : s.rest;
    conv->run(x + begin * x_image_ + (plain ? 0 : s.x * x_plane_),
              dy + begin * y_image_ + s.y * y_plane_, nullptr, partial + chunk * stride + s.packed,
              own + static_cast<size_t>(task) * piece_scratch_);
  });
  const int64_t parts = slices_[0].weights.parts();
  parallel_chunks(slices * parts, [&](int64_t task) {
    const Slice& s = slices_[static_cast<size_t>(task / parts)];
    if (task % parts < s.weights.parts())
      s.weights.unpack_sum(partial + s.packed, chunks_, stride, dw + s.plain, task % parts);
  });
}

}  // namespace trivium::cpu::c16
