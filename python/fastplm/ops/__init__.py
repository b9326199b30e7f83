"""Fused operations for training with torch, each with its gradient: on the CPU in float32 and bfloat16, on
CUDA in float16 too. embedding_layer_norm, rope and a bias of attention run on the CPU only.

They run as plain autograd functions, under torch.compile and under autocast. Gradients are deterministic
and do not depend on the number of threads; on CUDA they run on torch's current stream. Dropout draws its
seed from torch's generator. A second
derivative is refused.
"""

from fastplm.ops.activations import activation as activation
from fastplm.ops.activations import geglu as geglu
from fastplm.ops.activations import swiglu as swiglu
from fastplm.ops.attentions import attention as attention
from fastplm.ops.embeddings import embedding_layer_norm as embedding_layer_norm
from fastplm.ops.linears import linear as linear
from fastplm.ops.losses import contrastive as contrastive
from fastplm.ops.losses import cross_entropy as cross_entropy
from fastplm.ops.losses import labelled as labelled
from fastplm.ops.losses import linear_cross_entropy as linear_cross_entropy
from fastplm.ops.norms import layer_norm as layer_norm
from fastplm.ops.norms import rms_norm as rms_norm
from fastplm.ops.rotary import rope as rope
