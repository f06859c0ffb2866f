"""What a model file may call: tensor arithmetic that reads and writes nothing outside its arguments.

The sets hold every call of scripted, traced and exported networks of the supported kinds, in train and eval mode (a
test derives those anew and compares), and the plain arithmetic, shape and reduction operators beside them, so that a
network that `debias` cannot repair is told so by its layers and not by this list. Operators that touch files,
processes, storages, strides or sizes in place of their checks (``save``, ``from_file``, ``set_``, ``resize_``,
``as_strided``, ``unsafe_*``) stay out, whatever they are called in the next release: a name that is not here is
refused.
"""

# ruff: noqa: SIM905  (a table of words reads better as one text)

from __future__ import annotations

_ARITHMETIC = """
    abs add addcdiv addcmul addmm addmv baddbmm bmm ceil clamp clamp_max clamp_min clip cos cumsum div dot einsum eq
    exp expm1 floor floor_divide floordiv fmod ge gt isfinite isinf isnan le lerp log log10 log1p log2 logical_and
    logical_not logical_or logical_xor lt matmul maximum minimum mm mul multiply mv ne neg negative outer pow
    reciprocal remainder round rsqrt rsub sign sin sqrt square sub subtract true_divide trunc where
"""
_NETWORK = """
    _log_softmax _native_batch_norm_legit _native_batch_norm_legit_functional _native_batch_norm_legit_no_training
    _native_multi_head_attention _softmax _weight_norm alpha_dropout batch_norm bilinear celu conv1d conv2d dropout elu
    embedding embedding_bag feature_alpha_dropout feature_dropout gelu glu group_norm gru hardsigmoid hardswish
    hardtanh instance_norm layer_norm leaky_relu linear log_sigmoid log_softmax logit lstm mish native_batch_norm
    native_dropout native_group_norm native_layer_norm normalize prelu relu relu6 rms_norm rnn_relu rnn_tanh
    scaled_dot_product_attention selu sigmoid silu softmax softplus softsign tanh tanhshrink
"""
_SHAPE = """
    numpy_T
    alias broadcast_to cat chunk clone concat concatenate contiguous detach expand expand_as flatten flip gather index
    index_select masked_fill movedim narrow numel ones ones_like pad permute repeat repeat_interleave reshape
    reshape_as scalar_tensor select slice split split_with_sizes squeeze stack sum t tile transpose unbind unflatten
    unsqueeze view view_as zeros zeros_like full full_like arange empty_like new_ones new_zeros lift_fresh_copy
    constant_pad_nd
"""
_REDUCTION = "all amax amin any argmax argmin logsumexp max mean median min norm prod std sum topk sort var var_mean"
_TYPE = "to type_as _to_copy float double half bfloat16 int long bool is_floating_point is_grad_enabled"
_RANDOM = "rand_like randn_like bernoulli"
_IN_PLACE = """
    abs_ add_ clamp_ clamp_min_ div_ dropout_ elu_ exp_ hardtanh_ leaky_relu_ log_ masked_fill_ mul_ neg_ pow_ relu_
    relu6_ selu_ sigmoid_ silu_ sqrt_ sub_ tanh_ zero_ copy_ squeeze_ unsqueeze_ fill_
"""

ATEN: frozenset[str] = frozenset(
    " ".join((_ARITHMETIC, _NETWORK, _SHAPE, _REDUCTION, _TYPE, _RANDOM, _IN_PLACE)).split()
)
"""Operators of ``aten`` without overload: ``torch.NAME`` in TorchScript, ``torch.ops.aten.NAME`` in ``.pt2``."""

TORCHSCRIPT: frozenset[str] = ATEN | frozenset(
    """
    __and__ __contains__ __getitem__ __is__ __isnot__ __not__ __or__ append device dim format is_contiguous len list
    size tensor warn Int Float Bool ScalarImplicit FloatImplicit IntImplicit
    """.split()
)
"""What may follow ``torch.`` in the program text of a TorchScript file."""

TORCHSCRIPT_OPS: frozenset[str] = frozenset(
    """
    prim.RaiseException prim.device prim.dtype prim.is_cuda prim.is_nested prim.layout prim.max prim.min
    prim.NumToTensor prim.requires_grad prim.shape prim.type prim.unchecked_cast aten.tensor
    """.split()
) | frozenset(f"aten.{name}" for name in ATEN)
"""What may follow ``ops.`` in the program text of a TorchScript file."""

TORCHSCRIPT_WORDS: frozenset[str] = frozenset(
    "annotate bool float getattr inf int isinstance nan range str unchecked_cast uninitialized".split()
)
"""Words of TorchScript itself; a program may not give them another meaning."""

TORCHSCRIPT_TYPES: frozenset[str] = frozenset(
    "Any Device Dict Final List NoneType Optional Tensor Tuple Union number".split()
)
"""Names of its types."""

EXPORT_TARGETS: frozenset[str] = frozenset(
    f"_operator.{name}"
    for name in "add and_ eq floordiv ge getitem gt le lt mod mul ne neg or_ pow pos sub truediv not_".split()
) | frozenset(f"torch.{name}" for name in "sym_max sym_min sym_int sym_float sym_ite sym_not".split())
"""Whole targets of a ``.pt2`` graph other than operators of ``aten``."""

EXPORT_ATEN: frozenset[str] = ATEN | frozenset(
    """
    _assert_async _assert_scalar _assert_tensor_metadata sym_size sym_stride sym_numel sym_storage_offset
    sym_constrain_range sym_constrain_range_for_size lift_fresh item rand randn empty empty_permuted
    """.split()
)
"""Operators of ``aten`` that a ``.pt2`` graph may call."""
