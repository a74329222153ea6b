"""Whether a rebuilt graph is the one that is shipped: byte by byte, else by its quality.

    python check.py rebuilt.onnx

Linear algebra differs between processors and libraries in the last bits, and a weight half-way between two numbers is then
rounded the other way; so another machine's graph may differ, and is as good.
"""

import sys
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from fidelity import evaluation, table

SHIPPED = Path('../onnx/model_int8.onnx')
LEAST = 0.95


def vectors(graph, texts):
    """Pooled and scaled as sentence-transformers does it, one text at a time."""
    tokenizer = Tokenizer.from_file('../tokenizer.json')
    tokenizer.enable_truncation(256)
    session = onnxruntime.InferenceSession(graph, providers=['CPUExecutionProvider'])
    found = []
    for text in texts:
        ids = np.array([tokenizer.encode(text).ids], np.int64)
        inputs = {'input_ids': ids, 'attention_mask': np.ones_like(ids), 'token_type_ids': np.zeros_like(ids)}
        mean = session.run(None, inputs)[0][0].mean(0)
        found.append(mean / np.linalg.norm(mean))
    return np.array(found)


def main(graph):
    if Path(graph).read_bytes() == SHIPPED.read_bytes():
        print(f'{graph} is {SHIPPED}, byte by byte')
        return
    print(f'{graph} differs from {SHIPPED}; its quality:')
    if table({kind: vectors(graph, texts) for kind, texts in evaluation().items()}) < LEAST:
        sys.exit(f'it keeps less than {LEAST} of the ten nearest')


if __name__ == '__main__':
    main(*sys.argv[1:])
