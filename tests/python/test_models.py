"""Every network of torchvision.models in Python, against what torchvision drew and computed; and its
weights= in all the ways they can be wrong."""

import pathlib
import zlib

import pytest

import trivium.torch as torch
from trivium.torchvision import models

GOLDEN = pathlib.Path(__file__).parents[1] / "golden/models/torchvision/seeded.txt"
ROWS = [line.split() for line in GOLDEN.read_text().splitlines() if not line.startswith("#")]
# Each family's smallest: tests/models goes through all of them.
SMALLEST = ["alexnet", "resnet18", "squeezenet1_1", "densenet121", "shufflenet_v2_x0_5", "shufflenet_v2_x1_5",
            "googlenet", "inception_v3", "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large",
            "efficientnet_b0", "efficientnet_b5"]


def test_the_golden_file_names_all():
    assert sorted(row[0] for row in ROWS) == models.list_models()


@pytest.mark.parametrize("row", [row for row in ROWS if row[0] in SMALLEST], ids=lambda row: row[0])
def test_seeded_networks(row):
    name, side, entries, parameters, state, draw, largest, *logits = row
    torch.manual_seed(0)
    net = models.get_model(name)
    assert float(torch.rand(1)) == pytest.approx(float(draw), rel=1e-7)
    assert sum(p.numel() for p in net.parameters()) == int(parameters)
    values = net.state_dict()
    assert len(values) == int(entries)
    total = 0
    for key, value in values.items():
        total = zlib.crc32(value.numpy().tobytes(), zlib.crc32(key.encode(), total))
    assert f"{total:08x}" == state
    pixels = 3 * int(side) ** 2
    image = torch.arange(pixels, dtype=torch.float32).view(1, 3, int(side), int(side)) / pixels
    with torch.no_grad():
        found = net.eval()(image)[0, :5].tolist()
    assert found == pytest.approx([float(v) for v in logits], abs=1e-4 * float(largest))


def test_training_outputs_of_nets_with_more_classifiers():
    out = models.inception_v3(num_classes=10, init_weights=False).train()(torch.rand(2, 3, 299, 299))
    assert type(out).__name__ == "InceptionOutputs"
    assert out.logits.shape == out.aux_logits.shape == (2, 10)


def test_weights_say_what_is_wrong(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(RuntimeError, match="resnet18-f37072fd.pth.*put the file there"):
        models.resnet18(weights="IMAGENET1K_V1")
    with pytest.raises(RuntimeError, match="densenet121-a639ec97.pth"):
        models.densenet121(weights=models.DenseNet121_Weights.DEFAULT)
    with pytest.warns(UserWarning, match="weights="), pytest.raises(RuntimeError, match="alexnet-owt"):
        models.alexnet(pretrained=True)
    with pytest.raises(ValueError, match="no weights 'V7'; it has IMAGENET1K_V1"):
        models.squeezenet1_1(weights="V7")
    with pytest.raises(ValueError, match="no model is called resnet81"):
        models.get_model("resnet81")
    with pytest.raises(TypeError):
        models.resnet18(nunber_of_classes=3)
    place = tmp_path / "hub/checkpoints"
    place.mkdir(parents=True)
    torch.manual_seed(1)
    net = models.squeezenet1_1()
    torch.save(net.state_dict(), place / "squeezenet1_1-b8a52dc0.pth")
    loaded = models.squeezenet1_1(weights="DEFAULT")
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), loaded.parameters()))
    (place / "alexnet-owt-7be5be79.pth").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(RuntimeError):
        models.alexnet(weights="DEFAULT")


def test_old_names_of_dense_files():
    torch.manual_seed(1)
    net = models.densenet121()
    old = {key.replace("norm1", "norm.1").replace("conv2.weight", "conv.2.weight"): value
           for key, value in net.state_dict().items()}
    from trivium.torchvision._more_models import new_dense_names

    assert list(new_dense_names(old)) == list(net.state_dict())
