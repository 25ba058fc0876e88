#include "trivium/notations/caffe/image_list_reader.h"

#include <cstdlib>

#include "trivium/formats/file.h"
#include "trivium/formats/image.h"
#include "trivium/notations/caffe/state_bytes.h"

namespace trivium::caffe {

ImageListReader::ImageListReader(const std::string& list, Options options, Transformer transformer)
    : list_(list), options_(std::move(options)), transformer_(std::move(transformer)) {
  const std::string text = formats::read_file(list);
  for (size_t begin = 0; begin < text.size();) {
    size_t end = std::min(text.find('\n', begin), text.size());
    std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    const size_t space = line.rfind(' ');
    if (line.empty()) continue;
    if (space == std::string::npos)
      user_error("{}: expected lines \"path label\", found \"{}\"", list, line);
    lines_.push_back({line.substr(0, space), std::atoi(line.c_str() + space + 1)});
  }
  if (lines_.empty()) user_error("{}: the list is empty", list);
  if (options_.skip >= static_cast<int64_t>(lines_.size()))
    user_error("{}: cannot skip {} of {} images", list, options_.skip, lines_.size());
  for (size_t i = 0; i < lines_.size(); ++i) order_.push_back(static_cast<int64_t>(i));
  random_.seed(options_.shuffle.value_or(0));
  if (options_.shuffle) shuffle();
  position_ = options_.skip;
}

void ImageListReader::shuffle() {
  random::caffe::shuffle(random_, static_cast<int64_t>(order_.size()),
                         [&](int64_t i, int64_t j) { std::swap(order_[i], order_[j]); });
}

void ImageListReader::add_image(Batch& batch, int64_t item, Shape& shape) {
  const Line& line = lines_[order_[position_]];
  std::string path = options_.root + line.path;
  if (!options_.folder.empty() && path[0] != '/') path = options_.folder + "/" + path;
  Array image = formats::read_image(
      path, options_.color ? formats::ImageMode::color : formats::ImageMode::grey);
  if (options_.height > 0) image = formats::resize_linear(image, options_.height, options_.width);
  const Array planar = formats::to_planar(image);
  const Shape& size = planar.shape();
  const Pixels pixels{planar.data<uint8_t>(), nullptr, size[0], size[1], size[2]};
  try {
    if (item == 0) shape = transformer_.shape_of(size[0], size[1], size[2]);
    const int64_t n = options_.batch_size;
    float* data = item == 0 ? batch_array(batch, 0, Shape{n, shape[0], shape[1], shape[2]})
                            : batch.tops[0].data<float>();
    transformer_.apply(pixels, shape, data + item * shape.count());
  } catch (const UserError& error) {
    user_error("{} (of {}): {}", path, list_, error.what());
  }
  batch.tops[1].data<float>()[item] = static_cast<float>(line.label);
}

void ImageListReader::read(Batch& batch) {
  batch_array(batch, 1, Shape{options_.batch_size});
  Shape shape;
  for (int64_t item = 0; item < options_.batch_size; ++item) {
    add_image(batch, item, shape);
    if (++position_ < static_cast<int64_t>(lines_.size())) continue;
    position_ = 0;
    add_line(&batch.log, LogLevel::info, "Restarting data prefetching from start.");
    if (options_.shuffle) shuffle();
  }
}

void ImageListReader::skip_to(int64_t position) {
  if (position < 0 || position >= static_cast<int64_t>(lines_.size()))
    user_error("{}: cannot go on at image {}, there are {}", list_, position, lines_.size());
  position_ = position;
}

std::string ImageListReader::save_state() const {
  StateWriter state;
  state.put(position_);
  if (options_.shuffle) state.put_all(order_).put(random_);
  if (transformer_.draws()) state.put(const_cast<Transformer&>(transformer_).generator());
  return state.take();
}

void ImageListReader::restore_state(const std::string& bytes) {
  StateReader state(bytes);
  skip_to(state.get<int64_t>());
  if (options_.shuffle) {
    const std::vector<int64_t> order = state.get_all();
    bool fits = order.size() == order_.size();
    for (int64_t i : order) fits &= i >= 0 && i < static_cast<int64_t>(lines_.size());
    if (!fits) user_error("{}: the saved order is of another list", list_);
    order_ = order;
    random_ = state.get<random::Mt19937>();
  }
  if (transformer_.draws()) transformer_.generator() = state.get<random::Mt19937>();
}

}  // namespace trivium::caffe
