// Signatures of TensorFlow's operations from R to Z; how to read them: op_signatures.h.
#include "trivium/notations/tf/op_signatures.h"

namespace trivium::tf {

const char* const kOpSignaturesRZ = R"(
RFFT(input:Treal, fft_length:int32) -> (output:Tcomplex) {Treal:type=float32,
  Tcomplex:type=complex64}
RGBToHSV(images:T) -> (output:T) {T:type=float32}
RandomCrop(image:T, size:int64) -> (output:T) {T:type, seed:int=0, seed2:int=0}
RandomGamma(shape:S, alpha:T) -> (output:T) {seed:int=0, seed2:int=0, S:type, T:type}
RandomPoissonV2(shape:S, rate:R) -> (output:dtype) {seed:int=0, seed2:int=0, S:type,
  R:type=float64, dtype:type=int64}
RandomShuffle(value:T) -> (output:T) {seed:int=0, seed2:int=0, T:type}
RandomShuffleQueueV2() -> (handle:resource) {component_types:types, shapes:shapes=[],
  capacity:int=-1, min_after_dequeue:int=0, seed:int=0, seed2:int=0, container:string=,
  shared_name:string=}
RandomStandardNormal(shape:T) -> (output:dtype) {seed:int=0, seed2:int=0, dtype:type, T:type}
RandomUniform(shape:T) -> (output:dtype) {seed:int=0, seed2:int=0, dtype:type, T:type}
RandomUniformInt(shape:T, minval:Tout, maxval:Tout) -> (output:Tout) {seed:int=0, seed2:int=0,
  Tout:type, T:type}
Range(start:Tidx, limit:Tidx, delta:Tidx) -> (output:Tidx) {Tidx:type=int32}
Rank(input:T) -> (output:int32) {T:type}
ReadFile(filename:string) -> (contents:string)
ReadVariableOp(resource:resource) -> (value:dtype) {dtype:type}
ReaderReadUpToV2(reader_handle:resource, queue_handle:resource, num_records:int64) ->
  (keys:string, values:string)
ReaderReadV2(reader_handle:resource, queue_handle:resource) -> (key:string, value:string)
Real(input:T) -> (output:Tout) {T:type=complex64, Tout:type=float32}
RealDiv(x:T, y:T) -> (z:T) {T:type}
Reciprocal(x:T) -> (y:T) {T:type}
ReciprocalGrad(y:T, dy:T) -> (z:T) {T:type}
ReduceJoin(inputs:string, reduction_indices:int32) -> (output:string) {keep_dims:bool=false,
  separator:string=}
RefEnter(data:&T) -> (output:&T) {T:type, frame_name:string, is_constant:bool=false,
  parallel_iterations:int=10}
RefExit(data:&T) -> (output:&T) {T:type}
RefMerge(inputs:&N*T) -> (output:&T, value_index:int32) {T:type, N:int}
RefNextIteration(data:&T) -> (output:&T) {T:type}
RefSwitch(data:&T, pred:bool) -> (output_false:&T, output_true:&T) {T:type}
RegexFullMatch(input:string, pattern:string) -> (output:bool)
RegexReplace(input:string, pattern:string, rewrite:string) -> (output:string)
  {replace_global:bool=true}
Relu(features:T) -> (activations:T) {T:type}
Relu6(features:T) -> (activations:T) {T:type}
Relu6Grad(gradients:T, features:T) -> (backprops:T) {T:type}
ReluGrad(gradients:T, features:T) -> (backprops:T) {T:type}
RepeatDataset(input_dataset:variant, count:int64) -> (handle:variant) {output_types:types,
  output_shapes:shapes, metadata:string=}
Reshape(tensor:T, shape:Tshape) -> (output:T) {T:type, Tshape:type=int32}
ResizeArea(images:T, size:int32) -> (resized_images:float32) {T:type, align_corners:bool=false}
ResizeBicubic(images:T, size:int32) -> (resized_images:float32) {T:type, align_corners:bool=false,
  half_pixel_centers:bool=false}
ResizeBicubicGrad(grads:float32, original_image:T) -> (output:T) {T:type,
  align_corners:bool=false, half_pixel_centers:bool=false}
ResizeBilinear(images:T, size:int32) -> (resized_images:float32) {T:type,
  align_corners:bool=false, half_pixel_centers:bool=false}
ResizeBilinearGrad(grads:float32, original_image:T) -> (output:T) {T:type,
  align_corners:bool=false, half_pixel_centers:bool=false}
ResizeNearestNeighbor(images:T, size:int32) -> (resized_images:T) {T:type,
  align_corners:bool=false, half_pixel_centers:bool=false}
ResizeNearestNeighborGrad(grads:T, size:int32) -> (output:T) {T:type, align_corners:bool=false,
  half_pixel_centers:bool=false}
ResourceApplyAdadelta(var:resource, accum:resource, accum_update:resource, lr:T, rho:T, epsilon:T,
  grad:T) -> () {T:type, use_locking:bool=false}
ResourceApplyAdagrad(var:resource, accum:resource, lr:T, grad:T) -> () {T:type,
  use_locking:bool=false, update_slots:bool=true}
ResourceApplyAdagradV2(var:resource, accum:resource, lr:T, epsilon:T, grad:T) -> () {T:type,
  use_locking:bool=false, update_slots:bool=true}
ResourceApplyAdam(var:resource, m:resource, v:resource, beta1_power:T, beta2_power:T, lr:T,
  beta1:T, beta2:T, epsilon:T, grad:T) -> () {T:type, use_locking:bool=false,
  use_nesterov:bool=false}
ResourceApplyCenteredRMSProp(var:resource, mg:resource, ms:resource, mom:resource, lr:T, rho:T,
  momentum:T, epsilon:T, grad:T) -> () {T:type, use_locking:bool=false}
ResourceApplyFtrl(var:resource, accum:resource, linear:resource, grad:T, lr:T, l1:T, l2:T,
  lr_power:T) -> () {T:type, use_locking:bool=false, multiply_linear_by_lr:bool=false}
ResourceApplyFtrlV2(var:resource, accum:resource, linear:resource, grad:T, lr:T, l1:T, l2:T,
  l2_shrinkage:T, lr_power:T) -> () {T:type, use_locking:bool=false,
  multiply_linear_by_lr:bool=false}
ResourceApplyGradientDescent(var:resource, alpha:T, delta:T) -> () {T:type,
  use_locking:bool=false}
ResourceApplyMomentum(var:resource, accum:resource, lr:T, grad:T, momentum:T) -> () {T:type,
  use_locking:bool=false, use_nesterov:bool=false}
ResourceApplyRMSProp(var:resource, ms:resource, mom:resource, lr:T, rho:T, momentum:T, epsilon:T,
  grad:T) -> () {T:type, use_locking:bool=false}
ResourceGather(resource:resource, indices:Tindices) -> (output:dtype) {batch_dims:int=0,
  validate_indices:bool=true, dtype:type, Tindices:type}
ResourceScatterAdd(resource:resource, indices:Tindices, updates:dtype) -> () {dtype:type,
  Tindices:type}
ResourceScatterSub(resource:resource, indices:Tindices, updates:dtype) -> () {dtype:type,
  Tindices:type}
ResourceScatterUpdate(resource:resource, indices:Tindices, updates:dtype) -> () {dtype:type,
  Tindices:type}
ResourceSparseApplyAdagrad(var:resource, accum:resource, lr:T, grad:T, indices:Tindices) -> ()
  {T:type, Tindices:type, use_locking:bool=false, update_slots:bool=true}
ResourceSparseApplyMomentum(var:resource, accum:resource, lr:T, grad:T, indices:Tindices,
  momentum:T) -> () {T:type, Tindices:type, use_locking:bool=false, use_nesterov:bool=false}
RestoreV2(prefix:string, tensor_names:string, shape_and_slices:string) -> (tensors:dtypes...)
  {dtypes:types}
Reverse(tensor:T, dims:bool) -> (output:T) {T:type}
ReverseSequence(input:T, seq_lengths:Tlen) -> (output:T) {seq_dim:int, batch_dim:int=0, T:type,
  Tlen:type=int64}
ReverseV2(tensor:T, axis:Tidx) -> (output:T) {Tidx:type=int32, T:type}
RightShift(x:T, y:T) -> (z:T) {T:type}
Rint(x:T) -> (y:T) {T:type}
Roll(input:T, shift:Tshift, axis:Taxis) -> (output:T) {T:type, Tshift:type, Taxis:type}
Round(x:T) -> (y:T) {T:type}
Rsqrt(x:T) -> (y:T) {T:type}
RsqrtGrad(y:T, dy:T) -> (z:T) {T:type}
SampleDistortedBoundingBox(image_size:T, bounding_boxes:float32) -> (begin:T, size:T,
  bboxes:float32) {T:type, seed:int=0, seed2:int=0, min_object_covered:float=0.1,
  aspect_ratio_range:floats=[0.75,1.33], area_range:floats=[0.05,1], max_attempts:int=100,
  use_image_if_no_bounding_boxes:bool=false}
SampleDistortedBoundingBoxV2(image_size:T, bounding_boxes:float32, min_object_covered:float32) ->
  (begin:T, size:T, bboxes:float32) {T:type, seed:int=0, seed2:int=0,
  aspect_ratio_range:floats=[0.75,1.33], area_range:floats=[0.05,1], max_attempts:int=100,
  use_image_if_no_bounding_boxes:bool=false}
SaveV2(prefix:string, tensor_names:string, shape_and_slices:string, tensors:dtypes...) -> ()
  {dtypes:types}
ScalarSummary(tags:string, values:T) -> (summary:string) {T:type}
ScatterAdd(ref:&T, indices:Tindices, updates:T) -> (output_ref:&T) {T:type, Tindices:type,
  use_locking:bool=false}
ScatterDiv(ref:&T, indices:Tindices, updates:T) -> (output_ref:&T) {T:type, Tindices:type,
  use_locking:bool=false}
ScatterMax(ref:&T, indices:Tindices, updates:T) -> (output_ref:&T) {T:type, Tindices:type,
  use_locking:bool=false}
ScatterMin(ref:&T, indices:Tindices, updates:T) -> (output_ref:&T) {T:type, Tindices:type,
  use_locking:bool=false}
ScatterMul(ref:&T, indices:Tindices, updates:T) -> (output_ref:&T) {T:type, Tindices:type,
  use_locking:bool=false}
ScatterNd(indices:Tindices, updates:T, shape:Tindices) -> (output:T) {T:type, Tindices:type,
  bad_indices_policy:string=}
ScatterNdAdd(ref:&T, indices:Tindices, updates:T) -> (output_ref:&T) {T:type, Tindices:type,
  use_locking:bool=false, bad_indices_policy:string=}
ScatterNdSub(ref:&T, indices:Tindices, updates:T) -> (output_ref:&T) {T:type, Tindices:type,
  use_locking:bool=false, bad_indices_policy:string=}
ScatterNdUpdate(ref:&T, indices:Tindices, updates:T) -> (output_ref:&T) {T:type, Tindices:type,
  use_locking:bool=true, bad_indices_policy:string=}
ScatterSub(ref:&T, indices:Tindices, updates:T) -> (output_ref:&T) {T:type, Tindices:type,
  use_locking:bool=false}
ScatterUpdate(ref:&T, indices:Tindices, updates:T) -> (output_ref:&T) {T:type, Tindices:type,
  use_locking:bool=true}
SegmentMax(data:T, segment_ids:Tindices) -> (output:T) {T:type, Tindices:type}
SegmentMean(data:T, segment_ids:Tindices) -> (output:T) {T:type, Tindices:type}
SegmentMin(data:T, segment_ids:Tindices) -> (output:T) {T:type, Tindices:type}
SegmentProd(data:T, segment_ids:Tindices) -> (output:T) {T:type, Tindices:type}
SegmentSum(data:T, segment_ids:Tindices) -> (output:T) {T:type, Tindices:type}
Select(condition:bool, t:T, e:T) -> (output:T) {T:type}
SelectV2(condition:bool, t:T, e:T) -> (output:T) {T:type}
SelfAdjointEigV2(input:T) -> (e:T, v:T) {compute_v:bool=true, T:type}
Selu(features:T) -> (activations:T) {T:type}
SeluGrad(gradients:T, outputs:T) -> (backprops:T) {T:type}
Shape(input:T) -> (output:out_type) {T:type, out_type:type=int32}
ShapeN(input:N*T) -> (output:N*out_type) {N:int, T:type, out_type:type=int32}
ShardedFilename(basename:string, shard:int32, num_shards:int32) -> (filename:string)
ShuffleDataset(input_dataset:variant, buffer_size:int64, seed:int64, seed2:int64) ->
  (handle:variant) {reshuffle_each_iteration:bool=true, output_types:types, output_shapes:shapes,
  metadata:string=}
ShuffleDatasetV2(input_dataset:variant, buffer_size:int64, seed_generator:resource) ->
  (handle:variant) {output_types:types, output_shapes:shapes, metadata:string=}
Sigmoid(x:T) -> (y:T) {T:type}
SigmoidGrad(y:T, dy:T) -> (z:T) {T:type}
Sign(x:T) -> (y:T) {T:type}
Sin(x:T) -> (y:T) {T:type}
Sinh(x:T) -> (y:T) {T:type}
Size(input:T) -> (output:out_type) {T:type, out_type:type=int32}
Slice(input:T, begin:Index, size:Index) -> (output:T) {T:type, Index:type}
Snapshot(input:T) -> (output:T) {T:type}
Softmax(logits:T) -> (softmax:T) {T:type}
SoftmaxCrossEntropyWithLogits(features:T, labels:T) -> (loss:T, backprop:T) {T:type}
Softplus(features:T) -> (activations:T) {T:type}
SoftplusGrad(gradients:T, features:T) -> (backprops:T) {T:type}
Softsign(features:T) -> (activations:T) {T:type}
SoftsignGrad(gradients:T, features:T) -> (backprops:T) {T:type}
SpaceToBatch(input:T, paddings:Tpaddings) -> (output:T) {T:type, Tpaddings:type=int32,
  block_size:int}
SpaceToBatchND(input:T, block_shape:Tblock_shape, paddings:Tpaddings) -> (output:T) {T:type,
  Tblock_shape:type=int32, Tpaddings:type=int32}
SpaceToDepth(input:T) -> (output:T) {T:type, block_size:int, data_format:string=NHWC}
SparseAdd(a_indices:int64, a_values:T, a_shape:int64, b_indices:int64, b_values:T, b_shape:int64,
  thresh:Treal) -> (sum_indices:int64, sum_values:T, sum_shape:int64) {T:type, Treal:type}
SparseApplyAdadelta(var:&T, accum:&T, accum_update:&T, lr:T, rho:T, epsilon:T, grad:T,
  indices:Tindices) -> (out:&T) {T:type, Tindices:type, use_locking:bool=false}
SparseApplyAdagrad(var:&T, accum:&T, lr:T, grad:T, indices:Tindices) -> (out:&T) {T:type,
  Tindices:type, use_locking:bool=false, update_slots:bool=true}
SparseApplyAdagradDA(var:&T, gradient_accumulator:&T, gradient_squared_accumulator:&T, grad:T,
  indices:Tindices, lr:T, l1:T, l2:T, global_step:int64) -> (out:&T) {T:type, Tindices:type,
  use_locking:bool=false}
SparseApplyAdagradV2(var:&T, accum:&T, lr:T, epsilon:T, grad:T, indices:Tindices) -> (out:&T)
  {T:type, Tindices:type, use_locking:bool=false, update_slots:bool=true}
SparseApplyCenteredRMSProp(var:&T, mg:&T, ms:&T, mom:&T, lr:T, rho:T, momentum:T, epsilon:T,
  grad:T, indices:Tindices) -> (out:&T) {T:type, Tindices:type, use_locking:bool=false}
SparseApplyFtrl(var:&T, accum:&T, linear:&T, grad:T, indices:Tindices, lr:T, l1:T, l2:T,
  lr_power:T) -> (out:&T) {T:type, Tindices:type, use_locking:bool=false,
  multiply_linear_by_lr:bool=false}
SparseApplyFtrlV2(var:&T, accum:&T, linear:&T, grad:T, indices:Tindices, lr:T, l1:T, l2:T,
  l2_shrinkage:T, lr_power:T) -> (out:&T) {T:type, Tindices:type, use_locking:bool=false,
  multiply_linear_by_lr:bool=false}
SparseApplyMomentum(var:&T, accum:&T, lr:T, grad:T, indices:Tindices, momentum:T) -> (out:&T)
  {T:type, Tindices:type, use_locking:bool=false, use_nesterov:bool=false}
SparseApplyProximalAdagrad(var:&T, accum:&T, lr:T, l1:T, l2:T, grad:T, indices:Tindices) ->
  (out:&T) {T:type, Tindices:type, use_locking:bool=false}
SparseApplyProximalGradientDescent(var:&T, alpha:T, l1:T, l2:T, grad:T, indices:Tindices) ->
  (out:&T) {T:type, Tindices:type, use_locking:bool=false}
SparseApplyRMSProp(var:&T, ms:&T, mom:&T, lr:T, rho:T, momentum:T, epsilon:T, grad:T,
  indices:Tindices) -> (out:&T) {T:type, Tindices:type, use_locking:bool=false}
SparseConcat(indices:N*int64, values:N*T, shapes:N*int64) -> (output_indices:int64,
  output_values:T, output_shape:int64) {concat_dim:int, N:int, T:type}
SparseFillEmptyRows(indices:int64, values:T, dense_shape:int64, default_value:T) ->
  (output_indices:int64, output_values:T, empty_row_indicator:bool, reverse_index_map:int64)
  {T:type}
SparseReduceSum(input_indices:int64, input_values:T, input_shape:int64, reduction_axes:int32) ->
  (output:T) {keep_dims:bool=false, T:type}
SparseReorder(input_indices:int64, input_values:T, input_shape:int64) -> (output_indices:int64,
  output_values:T) {T:type}
SparseReshape(input_indices:int64, input_shape:int64, new_shape:int64) -> (output_indices:int64,
  output_shape:int64)
SparseSegmentMean(data:T, indices:Tidx, segment_ids:Tsegmentids) -> (output:T) {T:type,
  Tidx:type=int32, Tsegmentids:type=int32, sparse_gradient:bool=false}
SparseSegmentSqrtN(data:T, indices:Tidx, segment_ids:Tsegmentids) -> (output:T) {T:type,
  Tidx:type=int32, Tsegmentids:type=int32, sparse_gradient:bool=false}
SparseSegmentSum(data:T, indices:Tidx, segment_ids:Tsegmentids) -> (output:T) {T:type,
  Tidx:type=int32, Tsegmentids:type=int32, sparse_gradient:bool=false}
SparseSlice(indices:int64, values:T, shape:int64, start:int64, size:int64) ->
  (output_indices:int64, output_values:T, output_shape:int64) {T:type}
SparseSoftmax(sp_indices:int64, sp_values:T, sp_shape:int64) -> (output:T) {T:type}
SparseSoftmaxCrossEntropyWithLogits(features:T, labels:Tlabels) -> (loss:T, backprop:T) {T:type,
  Tlabels:type=int64}
SparseTensorDenseMatMul(a_indices:Tindices, a_values:T, a_shape:int64, b:T) -> (product:T)
  {T:type, Tindices:type=int64, adjoint_a:bool=false, adjoint_b:bool=false}
SparseToDense(sparse_indices:Tindices, output_shape:Tindices, sparse_values:T, default_value:T) ->
  (dense:T) {validate_indices:bool=true, T:type, Tindices:type}
Split(split_dim:int32, value:T) -> (output:num_split*T) {num_split:int, T:type}
SplitV(value:T, size_splits:Tlen, split_dim:int32) -> (output:num_split*T) {num_split:int, T:type,
  Tlen:type=int64}
Sqrt(x:T) -> (y:T) {T:type}
SqrtGrad(y:T, dy:T) -> (z:T) {T:type}
Square(x:T) -> (y:T) {T:type}
SquaredDifference(x:T, y:T) -> (z:T) {T:type}
Squeeze(input:T) -> (output:T) {T:type, squeeze_dims:ints=[]}
StatefulPartitionedCall(args:Tin...) -> (output:Tout...) {Tin:types, Tout:types, f:func,
  config:string=, config_proto:string=, executor_type:string=}
StatelessIf(cond:Tcond, input:Tin...) -> (output:Tout...) {Tcond:type, Tin:types, Tout:types,
  then_branch:func, else_branch:func, output_shapes:shapes=[]}
StatelessWhile(input:T...) -> (output:T...) {T:types, cond:func, body:func,
  output_shapes:shapes=[], parallel_iterations:int=10}
StopGradient(input:T) -> (output:T) {T:type}
StridedSlice(input:T, begin:Index, end:Index, strides:Index) -> (output:T) {T:type, Index:type,
  begin_mask:int=0, end_mask:int=0, ellipsis_mask:int=0, new_axis_mask:int=0,
  shrink_axis_mask:int=0}
StridedSliceAssign(ref:&T, begin:Index, end:Index, strides:Index, value:T) -> (output_ref:&T)
  {T:type, Index:type, begin_mask:int=0, end_mask:int=0, ellipsis_mask:int=0, new_axis_mask:int=0,
  shrink_axis_mask:int=0}
StridedSliceGrad(shape:Index, begin:Index, end:Index, strides:Index, dy:T) -> (output:T) {T:type,
  Index:type, begin_mask:int=0, end_mask:int=0, ellipsis_mask:int=0, new_axis_mask:int=0,
  shrink_axis_mask:int=0}
StringFormat(inputs:T...) -> (output:string) {T:types, template:string=%s, placeholder:string=%s,
  summarize:int=3}
StringJoin(inputs:N*string) -> (output:string) {N:int, separator:string=}
StringLength(input:string) -> (output:int32) {unit:string=BYTE}
StringLower(input:string) -> (output:string) {encoding:string=}
StringSplit(input:string, delimiter:string) -> (indices:int64, values:string, shape:int64)
  {skip_empty:bool=true}
StringSplitV2(input:string, sep:string) -> (indices:int64, values:string, shape:int64)
  {maxsplit:int=-1}
StringStrip(input:string) -> (output:string)
StringToHashBucket(string_tensor:string) -> (output:int64) {num_buckets:int}
StringToHashBucketFast(input:string) -> (output:int64) {num_buckets:int}
StringToHashBucketStrong(input:string) -> (output:int64) {num_buckets:int, key:ints}
StringToNumber(string_tensor:string) -> (output:out_type) {out_type:type=float32}
StringUpper(input:string) -> (output:string) {encoding:string=}
Sub(x:T, y:T) -> (z:T) {T:type}
Substr(input:string, pos:T, len:T) -> (output:string) {T:type, unit:string=BYTE}
Sum(input:T, reduction_indices:Tidx) -> (output:T) {keep_dims:bool=false, T:type, Tidx:type=int32}
Svd(input:T) -> (s:T, u:T, v:T) {compute_uv:bool=true, full_matrices:bool=false, T:type}
Switch(data:T, pred:bool) -> (output_false:T, output_true:T) {T:type}
SymbolicGradient(input:Tin...) -> (output:Tout...) {Tin:types, Tout:types, f:func}
TFRecordDataset(filenames:string, compression_type:string, buffer_size:int64) -> (handle:variant)
  {metadata:string=}
TFRecordReaderV2() -> (reader_handle:resource) {container:string=, shared_name:string=,
  compression_type:string=}
Tan(x:T) -> (y:T) {T:type}
Tanh(x:T) -> (y:T) {T:type}
TanhGrad(y:T, dy:T) -> (z:T) {T:type}
TemporaryVariable() -> (ref:&dtype) {shape:shape, dtype:type, var_name:string=}
TensorArrayCloseV3(handle:resource) -> ()
TensorArrayConcatV3(handle:resource, flow_in:float32) -> (value:dtype, lengths:int64) {dtype:type,
  element_shape_except0:shape=?}
TensorArrayGatherV3(handle:resource, indices:int32, flow_in:float32) -> (value:dtype) {dtype:type,
  element_shape:shape=?}
TensorArrayGradV3(handle:resource, flow_in:float32) -> (grad_handle:resource, flow_out:float32)
  {source:string}
TensorArrayReadV3(handle:resource, index:int32, flow_in:float32) -> (value:dtype) {dtype:type}
TensorArrayScatterV3(handle:resource, indices:int32, value:T, flow_in:float32) ->
  (flow_out:float32) {T:type}
TensorArraySizeV3(handle:resource, flow_in:float32) -> (size:int32)
TensorArraySplitV3(handle:resource, value:T, lengths:int64, flow_in:float32) -> (flow_out:float32)
  {T:type}
TensorArrayV3(size:int32) -> (handle:resource, flow:float32) {dtype:type, element_shape:shape=?,
  dynamic_size:bool=false, clear_after_read:bool=true, identical_element_shapes:bool=false,
  tensor_array_name:string=}
TensorArrayWriteV3(handle:resource, index:int32, value:T, flow_in:float32) -> (flow_out:float32)
  {T:type}
TensorDataset(components:Toutput_types...) -> (handle:variant) {Toutput_types:types,
  output_shapes:shapes, metadata:string=}
TensorScatterAdd(tensor:T, indices:Tindices, updates:T) -> (output:T) {T:type, Tindices:type,
  bad_indices_policy:string=}
TensorScatterUpdate(tensor:T, indices:Tindices, updates:T) -> (output:T) {T:type, Tindices:type,
  bad_indices_policy:string=}
TensorSliceDataset(components:Toutput_types...) -> (handle:variant) {Toutput_types:types,
  output_shapes:shapes, is_files:bool=false, metadata:string=, replicate_on_split:bool=false}
TensorSummary(tensor:T) -> (summary:string) {T:type, description:string=, labels:strings=[],
  display_name:string=}
TensorSummaryV2(tag:string, tensor:T, serialized_summary_metadata:string) -> (summary:string)
  {T:type}
TextLineDataset(filenames:string, compression_type:string, buffer_size:int64) -> (handle:variant)
  {metadata:string=}
TextLineReaderV2() -> (reader_handle:resource) {skip_header_lines:int=0, container:string=,
  shared_name:string=}
Tile(input:T, multiples:Tmultiples) -> (output:T) {T:type, Tmultiples:type=int32}
Timestamp() -> (ts:float64)
TopK(input:T) -> (values:T, indices:int32) {k:int, sorted:bool=true, T:type}
TopKV2(input:T, k:Tk) -> (values:T, indices:index_type) {sorted:bool=true, T:type, Tk:type=int32,
  index_type:type=int32}
Transpose(x:T, perm:Tperm) -> (y:T) {T:type, Tperm:type=int32}
TruncateDiv(x:T, y:T) -> (z:T) {T:type}
TruncateMod(x:T, y:T) -> (z:T) {T:type}
TruncatedNormal(shape:T) -> (output:dtype) {seed:int=0, seed2:int=0, dtype:type, T:type}
UnicodeDecode(input:string) -> (row_splits:Tsplits, char_values:int32) {input_encoding:string,
  errors:string=replace, replacement_char:int=65533, replace_control_characters:bool=false,
  Tsplits:type=int64}
UniformCandidateSampler(true_classes:int64) -> (sampled_candidates:int64,
  true_expected_count:float32, sampled_expected_count:float32) {num_true:int, num_sampled:int,
  unique:bool, range_max:int, seed:int=0, seed2:int=0}
Unique(x:T) -> (y:T, idx:out_idx) {T:type, out_idx:type=int32}
UniqueV2(x:T, axis:Taxis) -> (y:T, idx:out_idx) {T:type, Taxis:type=int64, out_idx:type=int32}
UniqueWithCounts(x:T) -> (y:T, idx:out_idx, count:out_idx) {T:type, out_idx:type=int32}
UniqueWithCountsV2(x:T, axis:Taxis) -> (y:T, idx:out_idx, count:out_idx) {T:type,
  Taxis:type=int64, out_idx:type=int32}
Unpack(value:T) -> (output:num*T) {num:int, T:type, axis:int=0}
UnsortedSegmentMax(data:T, segment_ids:Tindices, num_segments:Tnumsegments) -> (output:T) {T:type,
  Tindices:type, Tnumsegments:type=int32}
UnsortedSegmentMin(data:T, segment_ids:Tindices, num_segments:Tnumsegments) -> (output:T) {T:type,
  Tindices:type, Tnumsegments:type=int32}
UnsortedSegmentProd(data:T, segment_ids:Tindices, num_segments:Tnumsegments) -> (output:T)
  {T:type, Tindices:type, Tnumsegments:type=int32}
UnsortedSegmentSum(data:T, segment_ids:Tindices, num_segments:Tnumsegments) -> (output:T) {T:type,
  Tindices:type, Tnumsegments:type=int32}
VarHandleOp() -> (resource:resource) {container:string=, shared_name:string=, debug_name:string=,
  dtype:type, shape:shape, allowed_devices:strings=[]}
VarIsInitializedOp(resource:resource) -> (is_initialized:bool)
Variable() -> (ref:&dtype) {shape:shape, dtype:type, container:string=, shared_name:string=}
VariableV2() -> (ref:&dtype) {shape:shape, dtype:type, container:string=, shared_name:string=}
Where(input:T) -> (index:int64) {T:type=bool}
While(input:T...) -> (output:T...) {T:types, cond:func, body:func, output_shapes:shapes=[],
  parallel_iterations:int=10}
WholeFileReaderV2() -> (reader_handle:resource) {container:string=, shared_name:string=}
WriteFile(filename:string, contents:string) -> ()
Xdivy(x:T, y:T) -> (z:T) {T:type}
Xlog1py(x:T, y:T) -> (z:T) {T:type}
Xlogy(x:T, y:T) -> (z:T) {T:type}
ZerosLike(x:T) -> (y:T) {T:type}
Zeta(x:T, q:T) -> (z:T) {T:type}
)";

}  // namespace trivium::tf
