"""What the cost of a model depends on, and how many frames a crop gives."""

from __future__ import annotations

from dataclasses import dataclass

from fairseq_budget.arithmetic.sizes import CONV_LAYERS, Size, check_objective


@dataclass(frozen=True)
class ModelShape:
    """Everything that parameters and FLOPs are counted from.

    The defaults are the published ones: 128-wide positional convolution in 16 groups (Baevski et al. 2020), 500 k-means
    classes and the four special symbols of fairseq's dictionary (HuBERT's second iteration), 2 x 320 codewords and 100
    negatives, 78 values per TERA target frame.
    """

    objective: str
    layers: int
    dim: int
    ffn: int
    heads: int
    final_dim: int = 256
    conv_layers: tuple[tuple[int, int, int], ...] = CONV_LAYERS
    layer_norm_extractor: bool = False
    """Layer norm after every convolution instead of group norm after the first."""
    pos_kernel: int = 128
    pos_groups: int = 16
    classes: int = 504
    codebooks: int = 2
    entries: int = 320
    latent_dim: int = 0
    """Width of a quantised target; 0 means `final_dim`."""
    negatives: int = 100
    target_dim: int = 78
    mask_prob: float = 0.8
    mask_length: int = 10

    @classmethod
    def of(cls, objective: str, size: Size, **settings: object) -> ModelShape:
        """The shape of a row of the size table under an objective."""
        defaults: dict[str, object] = {
            "mask_prob": 0.65 if check_objective(objective) == "wav2vec2" else 0.8,
            "layer_norm_extractor": objective == "hubert" and not size.regularised,
        }
        layers, dim, ffn, heads, final_dim = size.shape
        return cls(objective, layers, dim, ffn, heads, final_dim, **{**defaults, **settings})  # type: ignore[arg-type]

    @property
    def conv_dim(self) -> int:
        return self.conv_layers[-1][0]

    @property
    def quantised_dim(self) -> int:
        return self.latent_dim or self.final_dim

    def frames(self, samples: int) -> int:
        """Frames that the convolutional encoder makes of `samples` samples; 0 when the crop is too short."""
        for _, kernel, stride in self.conv_layers:
            samples = (samples - kernel) // stride + 1
        return max(samples, 0)

    @property
    def stride(self) -> int:
        """Samples from one frame to the next."""
        product = 1
        for _, _, stride in self.conv_layers:
            product *= stride
        return product

    @property
    def shortest_crop(self) -> int:
        """Samples that give exactly one frame."""
        samples = 1
        for _, kernel, stride in reversed(self.conv_layers):
            samples = (samples - 1) * stride + kernel
        return samples
