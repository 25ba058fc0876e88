"""torch.onnx: importable, so that programs that only export on request run."""


class OnnxExporterError(RuntimeError):
    pass


def export(model, args=(), f=None, **_):
    """Refuses: weights travel by torch.save and safetensors."""
    raise NotImplementedError("torch.onnx.export: Trivium writes no ONNX; save the weights with "
                              "torch.save(model.state_dict(), path), which PyTorch's exporter can load")


def dynamo_export(*args, **kwargs):
    export(*args, **kwargs)


def is_in_onnx_export():
    return False
