from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facecli.runtime.device import Device
from facecli.runtime.manifest import shipped_models
from facecli.runtime.network import Engine
from facecli.runtime.openvino_engine import OpenVinoEngine
from facecli.runtime.torch_engine import TorchEngine
from facecli.types import PixelArray

# float32 sums in another order; on 64 faces of LFW the largest difference was 5.4e-7.
TOLERANCE = 1e-5


def synthetic_chips() -> PixelArray:
    """Two pictures of shape (2, 150, 150, 3) from whole-number arithmetic, so that they are the same everywhere."""
    y, x = np.mgrid[:150, :150].astype(np.int64)
    waves = np.stack([(x * x // 9 + y * 3) % 256, (x * 5 + y * y // 7) % 256, (x * y // 11) % 256], -1)
    steps = np.stack(
        [
            (x // 10 * 37 + y // 15 * 91) % 256,
            (x // 25 * 53 + y // 6 * 29) % 256,
            ((x // 5) ^ (y // 5)) * 8 % 256,
        ],
        -1,
    )
    return np.stack([waves, steps]).astype(np.uint8)


# What dlib itself gives for them: dlib-bin 20.0.1, face_recognition_model_v1(the original file)
# .compute_face_descriptor(chip). test_dlib_itself_gives_the_same makes them again.
NUMBERS = """
    -0.1331585 0.0980430 0.0920395 -0.0111564 -0.0580413 -0.0686772 -0.0884768 -0.0787382 0.0987594 -0.0719113
    0.2450343 -0.0752020 -0.2735284 -0.0205526 -0.0190956 0.1623994 -0.1716797 -0.0984281 -0.0747837 -0.0761554
    0.0156274 0.0020599 -0.0125303 0.0722941 -0.0956600 -0.3183937 -0.0715402 -0.1548279 -0.0064308 -0.1280903
    0.0200634 0.0367831 -0.1534531 -0.0024012 0.0140356 0.0501904 0.0246105 -0.1016631 0.1459850 -0.0549949
    -0.1996744 -0.1148033 0.0604190 0.2507754 0.1675752 0.0363492 0.0147099 -0.0543606 0.0319845 -0.2254557
    0.0218116 0.0946847 0.0345225 0.1016035 0.0305267 -0.2343944 0.0305624 0.0525689 -0.1063725 0.0096414 0.0503278
    -0.1221653 -0.0573268 -0.0661667 0.2983671 0.0777541 -0.1315567 -0.1086721 0.1538212 -0.1767435 -0.0198840
    0.1012074 -0.1237856 -0.1772520 -0.2574637 0.0408515 0.3734952 0.1580142 -0.1809489 0.0390691 -0.0748071
    0.0052257 0.0492246 0.1653335 -0.0180924 0.0667975 -0.0554269 0.0294619 0.1853070 -0.0500787 0.0202118 0.2370391
    -0.0489478 -0.0069003 0.0217716 -0.0213336 -0.0320117 -0.0287393 -0.0600189 -0.0238634 0.0843846 -0.0562790
    0.0045742 0.0909880 -0.1838083 0.0652322 0.0124360 0.0034005 0.0514716 0.0416825 -0.0317436 -0.1083630 0.1970178
    -0.2546021 0.1674034 0.2076406 0.0624109 0.1499908 0.0294322 0.1505433 -0.0109791 -0.0496486 -0.1621146
    -0.0052694 0.0571697 -0.0224557 -0.0030221 -0.0033716

    -0.0534580 0.1023634 0.0396660 -0.0520177 -0.0387700 -0.0557477 -0.0188431 0.0245692 0.1742287 -0.0665448
    0.2360391 -0.0028849 -0.2483884 -0.0489990 0.0179405 0.0738423 -0.0982506 -0.0345249 -0.1744497 -0.1355618
    0.0216158 0.0380155 -0.0154173 -0.0191570 -0.0945519 -0.2729285 -0.0571098 -0.1232610 0.0834227 -0.1653892
    0.0211333 0.0185767 -0.1157496 -0.0997761 -0.0341193 0.0080320 -0.0120047 -0.0930017 0.1532526 -0.0084007
    -0.1001894 -0.0458286 0.0010514 0.2453790 0.1977847 0.0387156 0.0144520 -0.0625749 0.0618669 -0.2849016
    0.0469963 0.0917730 0.0652835 0.1009513 0.1161769 -0.1771623 0.0134924 0.0361629 -0.1279721 0.0087359 0.0262544
    -0.0720463 -0.0832828 -0.1107984 0.2126182 0.0548889 -0.0855760 -0.0662516 0.1250759 -0.1481614 -0.0002397
    0.0712710 -0.0817634 -0.1183070 -0.2145871 0.1065879 0.3468607 0.1941068 -0.1428463 0.0286428 -0.1419875
    -0.0383197 0.0156907 -0.0136900 -0.0683388 -0.0508419 -0.0544841 0.0616175 0.1494647 -0.0772558 0.0073214
    0.1522038 -0.0296721 0.0121903 -0.0052783 -0.0268831 -0.1263480 -0.0007155 -0.0277326 0.0066638 0.1578176
    -0.1445521 0.0205462 0.0751573 -0.1712345 0.1205981 0.0038006 -0.0420863 0.0955251 0.0162169 -0.0550428
    -0.0517032 0.2173958 -0.1876862 0.2033941 0.1826446 0.0129003 0.1564772 0.0450483 0.1461261 -0.0432865 0.0134841
    -0.1329857 -0.0585964 -0.0064641 0.0187141 -0.0070326 0.0095860
"""
DLIB_DESCRIPTORS = np.array(NUMBERS.split(), np.float64).reshape(2, 128)


@pytest.fixture(scope="module", params=["openvino", "torch"])
def engine(request: pytest.FixtureRequest) -> Engine:
    return OpenVinoEngine() if request.param == "openvino" else TorchEngine(Device("cpu"))


def descriptors(engine: Engine, chips: PixelArray) -> np.ndarray:
    manifest = shipped_models()["dlib-resnet"]
    return engine.load(manifest.path, manifest.preprocessing)(chips)["embedding"]


def test_it_gives_what_dlib_gave(engine: Engine) -> None:
    np.testing.assert_allclose(descriptors(engine, synthetic_chips()), DLIB_DESCRIPTORS, atol=TOLERANCE)


@pytest.mark.slow
def test_dlib_itself_gives_the_same(engine: Engine, originals_dir: Path) -> None:
    dlib = pytest.importorskip("dlib")
    original = originals_dir / shipped_models()["dlib-resnet"].original.file
    reference = dlib.face_recognition_model_v1(str(original))
    chips = np.concatenate([synthetic_chips(), np.random.default_rng(3).integers(0, 256, (2, 150, 150, 3), np.uint8)])

    wanted = np.stack([np.array(reference.compute_face_descriptor(chip)) for chip in chips])

    np.testing.assert_allclose(wanted[:2], DLIB_DESCRIPTORS, atol=1e-6)
    np.testing.assert_allclose(descriptors(engine, chips), wanted, atol=TOLERANCE)
