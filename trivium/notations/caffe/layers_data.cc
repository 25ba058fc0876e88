// Layers that bring data: Data, ImageData, HDF5Data, MemoryData. Each opens its source once, when
// the net is set up, and is a set of leaves in the graph.
#include <sstream>

#include "trivium/formats/file.h"
#include "trivium/notations/caffe/db_reader.h"
#include "trivium/notations/caffe/hdf5_source.h"
#include "trivium/notations/caffe/image_list_reader.h"
#include "trivium/notations/caffe/layer.h"
#include "trivium/notations/caffe/memory_source.h"

namespace trivium::caffe {
namespace {

Transformer make_transformer(const LayerCtx& ctx) {
  const proto::TransformationParameter& p = ctx.param().transform_param();
  return Transformer(p, ctx.training(), ctx.path(p.mean_file()));
}

/// Words of the main generator that a prefetching layer takes, in Caffe's order: the transformer's
/// seed when the layer starts, what `between` draws, the transformer's seed again, the prefetch
/// thread's seed.
template <typename Between>
void draw_seeds(LayerCtx& ctx, Transformer& transformer, Between&& between) {
  if (transformer.draws()) ctx.random_word();
  between();
  if (transformer.draws()) transformer.seed(ctx.random_word());
  ctx.random_word();
}

void log_size(LayerCtx& ctx, const Shape& shape) {
  if (shape.rank() == 4)
    ctx.log(fmt::format("output data size: {},{},{},{}", shape[0], shape[1], shape[2], shape[3]));
}

void set_tops(LayerCtx& ctx) {
  const std::vector<Value> values = ctx.batch();
  for (int t = 0; t < ctx.tops(); ++t) ctx.top(t, values[t]);
}

size_t prefetch_depth(const LayerCtx& ctx) { return ctx.param().data_param().prefetch(); }

std::unique_ptr<DataSource> open_database(LayerCtx& ctx) {
  const proto::DataParameter& p = ctx.param().data_param();
  ctx.require(p.batch_size() > 0, "data_param", "batch_size must be at least 1");
  ctx.require(!p.source().empty(), "data_param", "source is missing");
  Transformer transformer = make_transformer(ctx);
  draw_seeds(ctx, transformer, [] {});
  const auto kind = p.backend() == proto::DataParameter::LMDB ? formats::DatabaseKind::lmdb
                                                              : formats::DatabaseKind::leveldb;
  return std::make_unique<Prefetcher>(
      std::make_unique<DbReader>(ctx.path(p.source()), kind, p.batch_size(), ctx.tops() == 2,
                                 std::move(transformer)),
      prefetch_depth(ctx));
}

void data(LayerCtx& ctx) {
  ctx.source([&] {
    std::unique_ptr<DataSource> source = open_database(ctx);
    log_size(ctx, source->shapes()[0]);
    return source;
  });
  set_tops(ctx);
}

std::string data_made(const proto::LayerParameter& param) {
  const proto::DataParameter& p = param.data_param();
  return fmt::format("Opened {} {}", p.backend() == proto::DataParameter::LMDB ? "lmdb" : "leveldb",
                     p.source());
}

std::unique_ptr<DataSource> open_images(LayerCtx& ctx) {
  const proto::ImageDataParameter& p = ctx.param().image_data_param();
  ctx.require(p.batch_size() > 0, "image_data_param", "batch_size must be at least 1");
  ctx.require((p.new_height() > 0) == (p.new_width() > 0), "image_data_param",
              "new_height and new_width go together");
  Transformer transformer = make_transformer(ctx);
  ImageListReader::Options options;
  options.root = p.root_folder();
  options.folder = ctx.folder();
  options.batch_size = p.batch_size();
  options.height = p.new_height();
  options.width = p.new_width();
  options.color = p.is_color();
  ctx.log("Opening file " + p.source());
  draw_seeds(ctx, transformer, [&] {
    if (p.shuffle()) {
      ctx.log("Shuffling data");
      options.shuffle = ctx.random_word();
    }
    if (p.rand_skip() > 0) options.skip = ctx.random_word() % p.rand_skip();
  });
  auto reader =
      std::make_unique<ImageListReader>(ctx.path(p.source()), options, std::move(transformer));
  ctx.log(fmt::format("A total of {} images.", reader->size()));
  if (p.rand_skip() > 0) ctx.log(fmt::format("Skipping first {} data points.", options.skip));
  return std::make_unique<Prefetcher>(std::move(reader), prefetch_depth(ctx));
}

void image_data(LayerCtx& ctx) {
  ctx.source([&] {
    std::unique_ptr<DataSource> source = open_images(ctx);
    log_size(ctx, source->shapes()[0]);
    return source;
  });
  set_tops(ctx);
}

std::unique_ptr<DataSource> open_hdf5(LayerCtx& ctx) {
  const proto::HDF5DataParameter& p = ctx.param().hdf5_data_param();
  ctx.require(!ctx.param().has_transform_param(), "transform_param",
              "HDF5Data takes its rows as they are; leave transform_param out");
  ctx.require(p.batch_size() > 0, "hdf5_data_param", "batch_size must be at least 1");
  ctx.log("Loading list of HDF5 filenames from: " + p.source());
  std::istringstream list(formats::read_file(ctx.path(p.source())));
  std::vector<std::string> files;
  for (std::string file; list >> file;) files.push_back(ctx.path(file));
  ctx.log(fmt::format("Number of HDF5 files: {}", files.size()));
  ctx.require(!files.empty(), "hdf5_data_param",
              "\"" + p.source() + "\" must list at least one HDF5 file");
  std::vector<std::string> datasets(ctx.param().top().begin(), ctx.param().top().end());
  LogLines lines;
  auto source = std::make_unique<Hdf5Source>(std::move(files), std::move(datasets), p.batch_size(),
                                             p.shuffle(), ctx.random(), &lines);
  for (const LogLine& line : lines) ctx.log(line.text);
  return source;
}

void hdf5_data(LayerCtx& ctx) {
  ctx.source([&] { return open_hdf5(ctx); });
  set_tops(ctx);
}

void memory_data(LayerCtx& ctx) {
  const proto::MemoryDataParameter& p = ctx.param().memory_data_param();
  ctx.require(int64_t{p.batch_size()} * p.channels() * p.height() * p.width() > 0,
              "memory_data_param", "batch_size, channels, height and width must be at least 1");
  ctx.source([&]() -> std::unique_ptr<DataSource> {
    if (make_transformer(ctx).draws()) ctx.random_word();
    return std::make_unique<MemorySource>(p.batch_size(), p.channels(), p.height(), p.width());
  });
  set_tops(ctx);
}

}  // namespace

void add_data_layers(LayerTable& table) {
  const auto add = [&](const char* type, Count tops, void (*record)(LayerCtx&)) {
    table.add({.type = type, .bottoms = exactly(0), .tops = tops, .record = record});
  };
  table.add({.type = "Data",
             .bottoms = exactly(0),
             .tops = between(1, 2),
             .record = data,
             .made = data_made});
  add("ImageData", exactly(2), image_data);
  add("HDF5Data", at_least(1), hdf5_data);
  add("MemoryData", exactly(2), memory_data);
}

}  // namespace trivium::caffe
