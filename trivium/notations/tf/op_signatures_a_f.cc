// Signatures of TensorFlow's operations from A to F; how to read them: op_signatures.h.
#include "trivium/notations/tf/op_signatures.h"

namespace trivium::tf {

const char* const kOpSignaturesAF = R"(
Abort() -> () {error_msg:string=, exit_without_error:bool=false}
Abs(x:T) -> (y:T) {T:type}
AccumulateNV2(inputs:N*T) -> (sum:T) {N:int, T:type, shape:shape}
Acos(x:T) -> (y:T) {T:type}
Acosh(x:T) -> (y:T) {T:type}
Add(x:T, y:T) -> (z:T) {T:type}
AddN(inputs:N*T) -> (sum:T) {N:int, T:type}
AddV2(x:T, y:T) -> (z:T) {T:type}
AdjustContrastv2(images:T, contrast_factor:float32) -> (output:T) {T:type=float32}
AdjustHue(images:T, delta:float32) -> (output:T) {T:type=float32}
AdjustSaturation(images:T, scale:float32) -> (output:T) {T:type=float32}
All(input:bool, reduction_indices:Tidx) -> (output:bool) {keep_dims:bool=false, Tidx:type=int32}
AllCandidateSampler(true_classes:int64) -> (sampled_candidates:int64, true_expected_count:float32,
  sampled_expected_count:float32) {num_true:int, num_sampled:int, unique:bool, seed:int=0,
  seed2:int=0}
Angle(input:T) -> (output:Tout) {T:type=complex64, Tout:type=float32}
Any(input:bool, reduction_indices:Tidx) -> (output:bool) {keep_dims:bool=false, Tidx:type=int32}
ApplyAdaMax(var:&T, m:&T, v:&T, beta1_power:T, lr:T, beta1:T, beta2:T, epsilon:T, grad:T) ->
  (out:&T) {T:type, use_locking:bool=false}
ApplyAdadelta(var:&T, accum:&T, accum_update:&T, lr:T, rho:T, epsilon:T, grad:T) -> (out:&T)
  {T:type, use_locking:bool=false}
ApplyAdagrad(var:&T, accum:&T, lr:T, grad:T) -> (out:&T) {T:type, use_locking:bool=false,
  update_slots:bool=true}
ApplyAdagradDA(var:&T, gradient_accumulator:&T, gradient_squared_accumulator:&T, grad:T, lr:T,
  l1:T, l2:T, global_step:int64) -> (out:&T) {T:type, use_locking:bool=false}
ApplyAdagradV2(var:&T, accum:&T, lr:T, epsilon:T, grad:T) -> (out:&T) {T:type,
  use_locking:bool=false, update_slots:bool=true}
ApplyAdam(var:&T, m:&T, v:&T, beta1_power:T, beta2_power:T, lr:T, beta1:T, beta2:T, epsilon:T,
  grad:T) -> (out:&T) {T:type, use_locking:bool=false, use_nesterov:bool=false}
ApplyAddSign(var:&T, m:&T, lr:T, alpha:T, sign_decay:T, beta:T, grad:T) -> (out:&T) {T:type,
  use_locking:bool=false}
ApplyCenteredRMSProp(var:&T, mg:&T, ms:&T, mom:&T, lr:T, rho:T, momentum:T, epsilon:T, grad:T) ->
  (out:&T) {T:type, use_locking:bool=false}
ApplyFtrl(var:&T, accum:&T, linear:&T, grad:T, lr:T, l1:T, l2:T, lr_power:T) -> (out:&T) {T:type,
  use_locking:bool=false, multiply_linear_by_lr:bool=false}
ApplyFtrlV2(var:&T, accum:&T, linear:&T, grad:T, lr:T, l1:T, l2:T, l2_shrinkage:T, lr_power:T) ->
  (out:&T) {T:type, use_locking:bool=false, multiply_linear_by_lr:bool=false}
ApplyGradientDescent(var:&T, alpha:T, delta:T) -> (out:&T) {T:type, use_locking:bool=false}
ApplyMomentum(var:&T, accum:&T, lr:T, grad:T, momentum:T) -> (out:&T) {T:type,
  use_locking:bool=false, use_nesterov:bool=false}
ApplyPowerSign(var:&T, m:&T, lr:T, logbase:T, sign_decay:T, beta:T, grad:T) -> (out:&T) {T:type,
  use_locking:bool=false}
ApplyProximalAdagrad(var:&T, accum:&T, lr:T, l1:T, l2:T, grad:T) -> (out:&T) {T:type,
  use_locking:bool=false}
ApplyProximalGradientDescent(var:&T, alpha:T, l1:T, l2:T, delta:T) -> (out:&T) {T:type,
  use_locking:bool=false}
ApplyRMSProp(var:&T, ms:&T, mom:&T, lr:T, rho:T, momentum:T, epsilon:T, grad:T) -> (out:&T)
  {T:type, use_locking:bool=false}
ApproximateEqual(x:T, y:T) -> (z:bool) {T:type, tolerance:float=1e-05}
ArgMax(input:T, dimension:Tidx) -> (output:output_type) {T:type, Tidx:type=int32,
  output_type:type=int64}
ArgMin(input:T, dimension:Tidx) -> (output:output_type) {T:type, Tidx:type=int32,
  output_type:type=int64}
AsString(input:T) -> (output:string) {T:type, precision:int=-1, scientific:bool=false,
  shortest:bool=false, width:int=-1, fill:string=}
Asin(x:T) -> (y:T) {T:type}
Asinh(x:T) -> (y:T) {T:type}
Assert(condition:bool, data:T...) -> () {T:types, summarize:int=3}
Assign(ref:&T, value:T) -> (output_ref:&T) {T:type, validate_shape:bool=true,
  use_locking:bool=true}
AssignAdd(ref:&T, value:T) -> (output_ref:&T) {T:type, use_locking:bool=false}
AssignAddVariableOp(resource:resource, value:dtype) -> () {dtype:type}
AssignSub(ref:&T, value:T) -> (output_ref:&T) {T:type, use_locking:bool=false}
AssignSubVariableOp(resource:resource, value:dtype) -> () {dtype:type}
AssignVariableOp(resource:resource, value:dtype) -> () {dtype:type, validate_shape:bool=false}
Atan(x:T) -> (y:T) {T:type}
Atan2(y:T, x:T) -> (z:T) {T:type}
Atanh(x:T) -> (y:T) {T:type}
AudioSummary(tag:string, tensor:float32) -> (summary:string) {sample_rate:float,
  max_outputs:int=3}
AudioSummaryV2(tag:string, tensor:float32, sample_rate:float32) -> (summary:string)
  {max_outputs:int=3}
AvgPool(value:T) -> (output:T) {ksize:ints, strides:ints, padding:string, data_format:string=NHWC,
  T:type}
AvgPool3D(input:T) -> (output:T) {ksize:ints, strides:ints, padding:string,
  data_format:string=NDHWC, T:type}
AvgPool3DGrad(orig_input_shape:int32, grad:T) -> (output:T) {ksize:ints, strides:ints,
  padding:string, data_format:string=NDHWC, T:type}
AvgPoolGrad(orig_input_shape:int32, grad:T) -> (output:T) {ksize:ints, strides:ints,
  padding:string, data_format:string=NHWC, T:type}
BatchDataset(input_dataset:variant, batch_size:int64) -> (handle:variant) {output_types:types,
  output_shapes:shapes, metadata:string=}
BatchDatasetV2(input_dataset:variant, batch_size:int64, drop_remainder:bool) -> (handle:variant)
  {parallel_copy:bool=false, output_types:types, output_shapes:shapes, metadata:string=}
BatchMatMul(x:T, y:T) -> (output:T) {T:type, adj_x:bool=false, adj_y:bool=false,
  grad_x:bool=false, grad_y:bool=false}
BatchMatMulV2(x:T, y:T) -> (output:T) {T:type, adj_x:bool=false, adj_y:bool=false,
  grad_x:bool=false, grad_y:bool=false}
BatchMatMulV3(x:Ta, y:Tb) -> (output:Tout) {Ta:type, Tb:type, Tout:type, adj_x:bool=false,
  adj_y:bool=false, grad_x:bool=false, grad_y:bool=false}
BatchNormWithGlobalNormalization(t:T, m:T, v:T, beta:T, gamma:T) -> (result:T) {T:type,
  variance_epsilon:float, scale_after_normalization:bool}
BatchToSpace(input:T, crops:Tidx) -> (output:T) {T:type, block_size:int, Tidx:type=int32}
BatchToSpaceND(input:T, block_shape:Tblock_shape, crops:Tcrops) -> (output:T) {T:type,
  Tblock_shape:type=int32, Tcrops:type=int32}
BesselI0e(x:T) -> (y:T) {T:type}
BesselI1e(x:T) -> (y:T) {T:type}
Betainc(a:T, b:T, x:T) -> (z:T) {T:type}
BiasAdd(value:T, bias:T) -> (output:T) {T:type, data_format:string=NHWC}
BiasAddGrad(out_backprop:T) -> (output:T) {T:type, data_format:string=NHWC}
BiasAddV1(value:T, bias:T) -> (output:T) {T:type}
Bincount(arr:int32, size:int32, weights:T) -> (bins:T) {T:type}
Bitcast(input:T) -> (output:type) {T:type, type:type}
BitwiseAnd(x:T, y:T) -> (z:T) {T:type}
BitwiseOr(x:T, y:T) -> (z:T) {T:type}
BitwiseXor(x:T, y:T) -> (z:T) {T:type}
BlockLSTM(seq_len_max:int64, x:T, cs_prev:T, h_prev:T, w:T, wci:T, wcf:T, wco:T, b:T) -> (i:T,
  cs:T, f:T, o:T, ci:T, co:T, h:T) {forget_bias:float=1.0, cell_clip:float=3.0,
  use_peephole:bool=false, T:type}
BroadcastArgs(s0:T, s1:T) -> (r0:T) {T:type=int32}
BroadcastGradientArgs(s0:T, s1:T) -> (r0:T, r1:T) {T:type=int32}
BroadcastTo(input:T, shape:Tidx) -> (output:T) {T:type, Tidx:type=int32}
Bucketize(input:T) -> (output:int32) {T:type, boundaries:floats}
CTCBeamSearchDecoder(inputs:T, sequence_length:int32) -> (decoded_indices:top_paths*int64,
  decoded_values:top_paths*int64, decoded_shape:top_paths*int64, log_probability:T)
  {beam_width:int, top_paths:int, merge_repeated:bool=true, T:type=float32}
CTCGreedyDecoder(inputs:T, sequence_length:int32) -> (decoded_indices:int64, decoded_values:int64,
  decoded_shape:int64, log_probability:T) {merge_repeated:bool=false, blank_index:int=-1,
  T:type=float32}
CTCLoss(inputs:T, labels_indices:int64, labels_values:int32, sequence_length:int32) -> (loss:T,
  gradient:T) {preprocess_collapse_repeated:bool=false, ctc_merge_repeated:bool=true,
  ignore_longer_outputs_than_inputs:bool=false, T:type=float32}
Cast(x:SrcT) -> (y:DstT) {SrcT:type, DstT:type, Truncate:bool=false}
Ceil(x:T) -> (y:T) {T:type}
CheckNumerics(tensor:T) -> (output:T) {T:type, message:string}
CheckNumericsV2(tensor:T) -> (output:T) {T:type, message:string}
Cholesky(input:T) -> (output:T) {T:type}
Complex(real:T, imag:T) -> (out:Tout) {T:type=float32, Tout:type=complex64}
ComplexAbs(x:T) -> (y:Tout) {T:type=complex64, Tout:type=float32}
ComputeAccidentalHits(true_classes:int64, sampled_candidates:int64) -> (indices:int32, ids:int64,
  weights:float32) {num_true:int, seed:int=0, seed2:int=0}
Concat(concat_dim:int32, values:N*T) -> (output:T) {N:int, T:type}
ConcatOffset(concat_dim:int32, shape:N*shape_type) -> (offset:N*shape_type) {N:int,
  shape_type:type=int32}
ConcatV2(values:N*T, axis:Tidx) -> (output:T) {N:int, T:type, Tidx:type=int32}
Conj(input:T) -> (output:T) {T:type=complex64}
Const() -> (output:dtype) {value:tensor, dtype:type}
ControlTrigger() -> ()
Conv2D(input:T, filter:T) -> (output:T) {T:type, strides:ints, use_cudnn_on_gpu:bool=true,
  padding:string, explicit_paddings:ints=[], data_format:string=NHWC, dilations:ints=[1,1,1,1]}
Conv2DBackpropFilter(input:T, filter_sizes:int32, out_backprop:T) -> (output:T) {T:type,
  strides:ints, use_cudnn_on_gpu:bool=true, padding:string, explicit_paddings:ints=[],
  data_format:string=NHWC, dilations:ints=[1,1,1,1]}
Conv2DBackpropInput(input_sizes:int32, filter:T, out_backprop:T) -> (output:T) {T:type,
  strides:ints, use_cudnn_on_gpu:bool=true, padding:string, explicit_paddings:ints=[],
  data_format:string=NHWC, dilations:ints=[1,1,1,1]}
Conv3D(input:T, filter:T) -> (output:T) {T:type, strides:ints, padding:string,
  data_format:string=NDHWC, dilations:ints=[1,1,1,1,1]}
Conv3DBackpropFilterV2(input:T, filter_sizes:int32, out_backprop:T) -> (output:T) {T:type,
  strides:ints, padding:string, data_format:string=NDHWC, dilations:ints=[1,1,1,1,1]}
Conv3DBackpropInputV2(input_sizes:Tshape, filter:T, out_backprop:T) -> (output:T) {T:type,
  strides:ints, padding:string, data_format:string=NDHWC, dilations:ints=[1,1,1,1,1],
  Tshape:type=int32}
Cos(x:T) -> (y:T) {T:type}
Cosh(x:T) -> (y:T) {T:type}
CountUpTo(ref:&T) -> (output:T) {limit:int, T:type}
CropAndResize(image:T, boxes:float32, box_ind:int32, crop_size:int32) -> (crops:float32) {T:type,
  method:string=bilinear, extrapolation_value:float=0.0}
Cross(a:T, b:T) -> (product:T) {T:type}
CudnnRNN(input:T, input_h:T, input_c:T, params:T) -> (output:T, output_h:T, output_c:T,
  reserve_space:T) {T:type, rnn_mode:string=lstm, input_mode:string=linear_input,
  direction:string=unidirectional, dropout:float=0.0, seed:int=0, seed2:int=0,
  is_training:bool=true}
Cumprod(x:T, axis:Tidx) -> (out:T) {exclusive:bool=false, reverse:bool=false, T:type,
  Tidx:type=int32}
Cumsum(x:T, axis:Tidx) -> (out:T) {exclusive:bool=false, reverse:bool=false, T:type,
  Tidx:type=int32}
DecodeBase64(input:string) -> (output:string)
DecodeBmp(contents:string) -> (image:uint8) {channels:int=0}
DecodeCSV(records:string, record_defaults:OUT_TYPE...) -> (output:OUT_TYPE...) {OUT_TYPE:types,
  field_delim:string=,, use_quote_delim:bool=true, na_value:string=, select_cols:ints=[]}
DecodeGif(contents:string) -> (image:uint8)
DecodeImage(contents:string) -> (image:dtype) {channels:int=0, dtype:type=uint8,
  expand_animations:bool=true}
DecodeJpeg(contents:string) -> (image:uint8) {channels:int=0, ratio:int=1,
  fancy_upscaling:bool=true, try_recover_truncated:bool=false, acceptable_fraction:float=1.0,
  dct_method:string=}
DecodePng(contents:string) -> (image:dtype) {channels:int=0, dtype:type=uint8}
DecodeRaw(bytes:string) -> (output:out_type) {out_type:type, little_endian:bool=true}
DeepCopy(x:T) -> (y:T) {T:type}
DepthToSpace(input:T) -> (output:T) {T:type, block_size:int, data_format:string=NHWC}
DepthwiseConv2dNative(input:T, filter:T) -> (output:T) {T:type, strides:ints, padding:string,
  explicit_paddings:ints=[], data_format:string=NHWC, dilations:ints=[1,1,1,1]}
DepthwiseConv2dNativeBackpropFilter(input:T, filter_sizes:int32, out_backprop:T) -> (output:T)
  {T:type, strides:ints, padding:string, explicit_paddings:ints=[], data_format:string=NHWC,
  dilations:ints=[1,1,1,1]}
DepthwiseConv2dNativeBackpropInput(input_sizes:int32, filter:T, out_backprop:T) -> (output:T)
  {T:type, strides:ints, padding:string, explicit_paddings:ints=[], data_format:string=NHWC,
  dilations:ints=[1,1,1,1]}
DestroyTemporaryVariable(ref:&T) -> (value:T) {T:type, var_name:string}
Diag(diagonal:T) -> (output:T) {T:type}
DiagPart(input:T) -> (diagonal:T) {T:type}
Digamma(x:T) -> (y:T) {T:type}
Dilation2D(input:T, filter:T) -> (output:T) {T:type, strides:ints, rates:ints, padding:string}
Div(x:T, y:T) -> (z:T) {T:type}
DivNoNan(x:T, y:T) -> (z:T) {T:type}
DrawBoundingBoxes(images:T, boxes:float32) -> (output:T) {T:type=float32}
DynamicPartition(data:T, partitions:int32) -> (outputs:num_partitions*T) {num_partitions:int,
  T:type}
DynamicStitch(indices:N*int32, data:N*T) -> (merged:T) {N:int, T:type}
EagerPyFunc(input:Tin...) -> (output:Tout...) {token:string, is_async:bool=false, Tin:types,
  Tout:types}
EditDistance(hypothesis_indices:int64, hypothesis_values:T, hypothesis_shape:int64,
  truth_indices:int64, truth_values:T, truth_shape:int64) -> (output:float32)
  {normalize:bool=true, T:type}
Einsum(inputs:N*T) -> (output:T) {equation:string, N:int, T:type}
Elu(features:T) -> (activations:T) {T:type}
EluGrad(gradients:T, outputs:T) -> (backprops:T) {T:type}
Empty(shape:int32) -> (output:dtype) {dtype:type, init:bool=false}
EncodeBase64(input:string) -> (output:string) {pad:bool=false}
EncodeJpeg(image:uint8) -> (contents:string) {format:string=, quality:int=95,
  progressive:bool=false, optimize_size:bool=false, chroma_downsampling:bool=true,
  density_unit:string=in, x_density:int=300, y_density:int=300, xmp_metadata:string=}
EncodePng(image:T) -> (contents:string) {compression:int=-1, T:type=uint8}
EnsureShape(input:T) -> (output:T) {shape:shape, T:type}
Enter(data:T) -> (output:T) {T:type, frame_name:string, is_constant:bool=false,
  parallel_iterations:int=10}
Equal(x:T, y:T) -> (z:bool) {T:type, incompatible_shape_error:bool=true}
Erf(x:T) -> (y:T) {T:type}
Erfc(x:T) -> (y:T) {T:type}
Erfinv(x:T) -> (y:T) {T:type}
Exit(data:T) -> (output:T) {T:type}
Exp(x:T) -> (y:T) {T:type}
ExpandDims(input:T, dim:Tdim) -> (output:T) {T:type, Tdim:type=int32}
ExperimentalRandomDataset(seed:int64, seed2:int64) -> (handle:variant) {output_types:types,
  output_shapes:shapes}
Expm1(x:T) -> (y:T) {T:type}
ExtractGlimpse(input:float32, size:int32, offsets:float32) -> (glimpse:float32)
  {centered:bool=true, normalized:bool=true, uniform_noise:bool=true, noise:string=uniform}
ExtractImagePatches(images:T) -> (patches:T) {ksizes:ints, strides:ints, rates:ints, T:type,
  padding:string}
FFT(input:Tcomplex) -> (output:Tcomplex) {Tcomplex:type=complex64}
FFT2D(input:Tcomplex) -> (output:Tcomplex) {Tcomplex:type=complex64}
FIFOQueueV2() -> (handle:resource) {component_types:types, shapes:shapes=[], capacity:int=-1,
  container:string=, shared_name:string=}
FakeQuantWithMinMaxArgs(inputs:float32) -> (outputs:float32) {min:float=-6.0, max:float=6.0,
  num_bits:int=8, narrow_range:bool=false}
FakeQuantWithMinMaxVars(inputs:float32, min:float32, max:float32) -> (outputs:float32)
  {num_bits:int=8, narrow_range:bool=false}
Fill(dims:index_type, value:T) -> (output:T) {T:type, index_type:type=int32}
FixedLengthRecordReaderV2() -> (reader_handle:resource) {header_bytes:int=0, record_bytes:int,
  footer_bytes:int=0, hop_bytes:int=0, container:string=, shared_name:string=, encoding:string=}
FixedUnigramCandidateSampler(true_classes:int64) -> (sampled_candidates:int64,
  true_expected_count:float32, sampled_expected_count:float32) {num_true:int, num_sampled:int,
  unique:bool, range_max:int, vocab_file:string=, distortion:float=1.0, num_reserved_ids:int=0,
  num_shards:int=1, shard:int=0, unigrams:floats=[], seed:int=0, seed2:int=0}
Floor(x:T) -> (y:T) {T:type}
FloorDiv(x:T, y:T) -> (z:T) {T:type}
FloorMod(x:T, y:T) -> (z:T) {T:type}
FusedBatchNorm(x:T, scale:T, offset:T, mean:T, variance:T) -> (y:T, batch_mean:T,
  batch_variance:T, reserve_space_1:T, reserve_space_2:T) {T:type, epsilon:float=1e-04,
  exponential_avg_factor:float=1.0, data_format:string=NHWC, is_training:bool=true}
FusedBatchNormGrad(y_backprop:T, x:T, scale:T, reserve_space_1:T, reserve_space_2:T) ->
  (x_backprop:T, scale_backprop:T, offset_backprop:T, reserve_space_3:T, reserve_space_4:T)
  {T:type, epsilon:float=1e-04, data_format:string=NHWC, is_training:bool=true}
FusedBatchNormGradV2(y_backprop:T, x:T, scale:float32, reserve_space_1:U, reserve_space_2:U) ->
  (x_backprop:T, scale_backprop:U, offset_backprop:U, reserve_space_3:U, reserve_space_4:U)
  {T:type, U:type, epsilon:float=1e-04, data_format:string=NHWC, is_training:bool=true}
FusedBatchNormGradV3(y_backprop:T, x:T, scale:float32, reserve_space_1:U, reserve_space_2:U,
  reserve_space_3:U) -> (x_backprop:T, scale_backprop:U, offset_backprop:U, reserve_space_4:U,
  reserve_space_5:U) {T:type, U:type, epsilon:float=1e-04, data_format:string=NHWC,
  is_training:bool=true}
FusedBatchNormV2(x:T, scale:U, offset:U, mean:U, variance:U) -> (y:T, batch_mean:U,
  batch_variance:U, reserve_space_1:U, reserve_space_2:U) {T:type, U:type, epsilon:float=1e-04,
  exponential_avg_factor:float=1.0, data_format:string=NHWC, is_training:bool=true}
FusedBatchNormV3(x:T, scale:U, offset:U, mean:U, variance:U) -> (y:T, batch_mean:U,
  batch_variance:U, reserve_space_1:U, reserve_space_2:U, reserve_space_3:U) {T:type, U:type,
  epsilon:float=1e-04, exponential_avg_factor:float=1.0, data_format:string=NHWC,
  is_training:bool=true}
)";

}  // namespace trivium::tf
