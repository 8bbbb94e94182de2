"""InceptionResnetV1 of facenet-pytorch, with weights that are fetched on request or brought by the user."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from facecli.errors import MachineError, WeightsError

if TYPE_CHECKING:
    import torch

# The last layer tells the identities of the training set apart; facecli takes the features before it.
_CLASSIFIER_PREFIX: Final = "logits."

# What torch.load raised on truncated, altered and random files (900 of them, torch 2.14).
_LOAD_ERRORS: Final = (
    OSError,
    RuntimeError,
    EOFError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    struct.error,
    pickle.UnpicklingError,
)


def load_inception_resnet(path: Path) -> torch.nn.Module:
    """Build the network with the weights of a state dict.

    Parameters
    ----------
    path : Path
        What ``torch.save`` wrote of InceptionResnetV1's state dict, with or without its classifier. Only tensors
        are unpickled.

    Returns
    -------
    torch.nn.Module
        On the CPU, in evaluation mode. Maps pictures of shape (N, 3, 160, 160), float32, (x - 127.5) / 128, to
        vectors of shape (N, 512) of unit L2 norm.

    Raises
    ------
    WeightsError
        If the file cannot be read or holds no weights of this network.
    MachineError
        If torch or facenet-pytorch is not installed.

    References
    ----------
    Szegedy et al. (2017), Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning, AAAI.
    """
    try:
        import torch
        from facenet_pytorch import InceptionResnetV1
    except ImportError as error:
        raise MachineError(
            f"InceptionResnetV1 needs a package that cannot be imported: {error}",
            hint="Install it with 'pip install facenet-pytorch==2.5.3'.",
        ) from error
    weights = {name: value for name, value in _state_dict(path).items() if not name.startswith(_CLASSIFIER_PREFIX)}
    # On the meta device no random weights are drawn that the next line would replace: 0.1 s instead of 0.9 s.
    with torch.device("meta"):
        module: torch.nn.Module = InceptionResnetV1(pretrained=None, classify=False)
    try:
        module.load_state_dict(weights, strict=True, assign=True)
    except RuntimeError as error:
        # One heading, then a line for each kind of difference, which may name hundreds of keys.
        difference = " ".join(str(error).splitlines()[1:2]).strip()[:120]
        raise WeightsError(
            f"{path} holds no weights of InceptionResnetV1: {difference}",
            hint="Give the state dict that facenet-pytorch publishes.",
        ) from error
    return module.float().eval().requires_grad_(False)


def _state_dict(path: Path) -> Mapping[str, torch.Tensor]:
    import torch

    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except _LOAD_ERRORS as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise WeightsError(
            f"{path} cannot be read as a PyTorch state dict" + (f": {reason}" if reason else ""),
            hint="Get the file again: facecli models pull facenet-vggface2",
        ) from error
    if not isinstance(weights, Mapping) or not all(
        isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in weights.items()
    ):
        raise WeightsError(
            f"{path} holds something other than named tensors",
            hint="Give the state dict that facenet-pytorch publishes.",
        )
    return weights
