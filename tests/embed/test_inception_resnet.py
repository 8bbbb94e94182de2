from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from facenet_pytorch import InceptionResnetV1

from facecli.embed.inception_resnet import load_inception_resnet
from facecli.errors import WeightsError
from facecli.runtime.device import Device
from facecli.runtime.network import Preprocessing
from facecli.runtime.torch_engine import TorchEngine


@pytest.fixture(scope="module")
def reference() -> InceptionResnetV1:
    """facenet-pytorch's own module with random weights and, as published, a classifier of 8,631 people."""
    torch.manual_seed(1)
    module = InceptionResnetV1(pretrained=None, classify=False)
    module.logits = torch.nn.Linear(512, 8631)
    return module.eval()


@pytest.fixture(scope="module")
def weights_file(reference: InceptionResnetV1, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "random.pt"
    torch.save(reference.state_dict(), path)
    return path


def test_in_the_torch_engine_it_gives_what_facenet_pytorch_gives(
    reference: InceptionResnetV1, weights_file: Path
) -> None:
    pictures = np.random.default_rng(2).integers(0, 256, (2, 160, 160, 3), np.uint8)
    preprocessing = Preprocessing(mean=(127.5,) * 3, scale=(128.0,) * 3)

    network = TorchEngine(Device("cpu")).wrap(load_inception_resnet(weights_file), preprocessing)
    vectors = network(pictures)["embedding"]

    with torch.inference_mode():
        planes = (torch.from_numpy(pictures).permute(0, 3, 1, 2).float() - 127.5) / 128.0
        wanted = reference(planes).numpy()
    assert vectors.shape == (2, 512)
    assert vectors.dtype == np.float32
    # The same arithmetic in the same order; 1e-6 leaves room for another choice of kernels.
    np.testing.assert_allclose(vectors, wanted, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-6)


def test_a_file_without_the_classifier_loads_too(
    reference: InceptionResnetV1, weights_file: Path, tmp_path: Path
) -> None:
    features = {name: value for name, value in reference.state_dict().items() if not name.startswith("logits")}
    torch.save(features, tmp_path / "features.pt")

    module = load_inception_resnet(tmp_path / "features.pt")

    for name, value in load_inception_resnet(weights_file).state_dict().items():
        assert torch.equal(module.state_dict()[name], value), name


def test_weights_kept_as_float16_are_widened(reference: InceptionResnetV1, tmp_path: Path) -> None:
    halves = {name: v.half() if v.is_floating_point() else v for name, v in reference.state_dict().items()}
    torch.save(halves, tmp_path / "half.pt")

    module = load_inception_resnet(tmp_path / "half.pt")

    assert {parameter.dtype for parameter in module.parameters()} == {torch.float32}


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "other.pt"
    torch.save(torch.nn.Linear(3, 4).state_dict(), file)

    with pytest.raises(WeightsError, match=r"other\.pt holds no weights of InceptionResnetV1: Missing key"):
        load_inception_resnet(file)


@pytest.mark.parametrize("left_out", ["last_bn.weight", "repeat_2.3.branch0.conv.weight"])
def test_a_missing_tensor_is_refused(reference: InceptionResnetV1, tmp_path: Path, left_out: str) -> None:
    weights = reference.state_dict()
    del weights[left_out]
    torch.save(weights, tmp_path / "holed.pt")

    with pytest.raises(WeightsError, match=left_out):
        load_inception_resnet(tmp_path / "holed.pt")


@pytest.mark.parametrize("content", [[1, 2], {"a": 1}, {1: torch.zeros(2)}, torch.zeros(2)])
def test_what_is_no_state_dict_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "odd.pt")

    with pytest.raises(WeightsError, match=r"odd\.pt holds something other than named tensors"):
        load_inception_resnet(tmp_path / "odd.pt")


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"PK\x03\x04zip", b"\x80\x02K", b"\x80\x02t."])
def test_damaged_files_are_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "damaged.pt"
    file.write_bytes(content)

    with pytest.raises(WeightsError, match=r"damaged\.pt cannot be read as a PyTorch state dict"):
        load_inception_resnet(file)


def test_a_cut_off_file_is_refused(weights_file: Path, tmp_path: Path) -> None:
    file = tmp_path / "cut.pt"
    file.write_bytes(weights_file.read_bytes()[:100_000])

    with pytest.raises(WeightsError, match=r"cut\.pt cannot be read"):
        load_inception_resnet(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"absent\.pt cannot be read as a PyTorch state dict: No such file"):
        load_inception_resnet(tmp_path / "absent.pt")


def test_nothing_but_tensors_is_unpickled(tmp_path: Path) -> None:
    trap = tmp_path / "sprung"
    file = tmp_path / "trap.pt"
    name = os.fsencode(trap)
    file.write_bytes(b"\x80\x02cos\nmkdir\nX" + len(name).to_bytes(4, "little") + name + b"\x85R.")

    with pytest.raises(WeightsError):
        load_inception_resnet(file)

    assert not trap.exists()
