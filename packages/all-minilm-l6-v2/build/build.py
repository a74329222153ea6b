"""all-MiniLM-L6-v2 as an int8 graph, node by node from the fp32 checkpoint.

    python build.py [calibration.npz] [../onnx/model_int8.onnx]

Sum, not Add, stands before LayerNormalization and Gelu: ONNX Runtime would fuse Add to SkipLayerNormalization, whose
kernel is six times slower on a CPU, and to BiasGelu.
"""

import sys

import numpy as np
import onnx
from onnx import TensorProto

from graph import MICROSOFT, Graph
from quantise import rounded, smooth
from source import tensors

WIDTH, HEADS, LAYERS, POSITIONS = 384, 12, 6, 512
PER_HEAD = WIDTH // HEADS

# gelu(x) > -0.17, so that shifted by this it needs no sign, and has twice the resolution.
SHIFT = 0.17


def build(calibration):
    t = tensors()
    g = Graph()

    def pair(name):
        return t[f'{name}.weight'], t[f'{name}.bias']

    def quantised_linear(x, weights, tag, zeros, smoothed):
        moments = calibration[f'moments_{tag}']
        if smoothed:
            factors = smooth(weights, calibration[f'largest_{tag}'])
            x = g.op('Mul', [x, g.constant(f'{tag}_d', 1 / factors)])
            weights, moments = weights * factors, moments / np.outer(factors, factors)
        return g.linear(x, *rounded(weights, moments), tag, zeros)

    # Embeddings: words as int8 with a scale each; the token type is 0 in every text.
    words = t['embeddings.word_embeddings.weight']
    scales = np.abs(words).max(1, keepdims=True) / 127
    scales[scales == 0] = 1
    x = g.op(
        'Mul',
        [
            g.op('Cast', [g.op('Gather', [g.constant('words_q', np.rint(words / scales).astype(np.int8)), 'input_ids'])], to=TensorProto.FLOAT),
            g.op('Gather', [g.constant('words_s', scales.astype(np.float32)), 'input_ids']),
        ],
    )
    shape = g.op('Shape', ['input_ids'])
    length = g.op('Gather', [shape, g.whole(1)], axis=0)
    positions = t['embeddings.position_embeddings.weight'][:POSITIONS] + t['embeddings.token_type_embeddings.weight'][0]
    x = g.op('Sum', [x, g.op('Slice', [g.constant('positions', positions), g.whole(0), length, g.whole(0)])])
    x = g.normalised(x, 'embeddings', *pair('embeddings.LayerNorm'))

    # From here on a row is a token.
    x = g.op('Reshape', [x, g.whole(-1, WIDTH)])
    tokens = g.op('Reshape', [g.op('Size', ['input_ids']), g.whole(-1)])
    signed = g.op('Expand', [g.constant('z128', np.uint8(128)), tokens])
    unsigned = g.op('Expand', [g.constant('z0', np.uint8(0)), tokens])
    by_text = g.op('Concat', [shape, g.whole(WIDTH)], axis=0)
    by_head = g.op('Concat', [shape, g.whole(3, HEADS, PER_HEAD)], axis=0)
    visible = g.op('Sub', [g.op('Cast', ['attention_mask'], to=TensorProto.FLOAT), g.constant('one', np.float32(1))])
    mask = g.op('Unsqueeze', [g.op('Mul', [visible, g.constant('far', np.float32(1e4))]), g.whole(1, 2)])

    for n in range(LAYERS):
        layer = f'encoder.layer.{n}'
        query, key, value = [pair(f'{layer}.attention.self.{part}') for part in ('query', 'key', 'value')]
        root = np.float32(PER_HEAD**-0.5)
        weights = np.concatenate([query[0] * root, key[0], value[0]])
        bias = np.concatenate([query[1] * root, key[1], value[1]])
        y = quantised_linear(x, weights, f'l{n}_qkv', signed, smoothed=True)
        y = g.op('Sum', [y, g.constant(f'l{n}_qkv_b', bias)])
        parts = g.op('Transpose', [g.op('Reshape', [y, by_head])], perm=[2, 0, 3, 1, 4])
        parts = g.op('Split', [parts, g.constant('ones3', np.ones(3, np.int64))], outputs=3, axis=0)
        q, k, v = [g.op('Squeeze', [part, g.whole(0)]) for part in parts]
        attention = g.op('Softmax', [g.op('Sum', [g.op('FusedMatMul', [q, k], MICROSOFT, transB=1), mask])], axis=-1)
        a = g.op('Transpose', [g.op('MatMul', [attention, v])], perm=[0, 2, 1, 3])
        a = g.op('Reshape', [a, g.whole(-1, WIDTH)])
        weights, bias = pair(f'{layer}.attention.output.dense')
        y = quantised_linear(a, weights, f'l{n}_o', signed, smoothed=False)
        x = g.op('Sum', [y, g.constant(f'l{n}_o_b', bias), x])
        x = g.normalised(x, f'l{n}_attention', *pair(f'{layer}.attention.output.LayerNorm'))

        weights, bias = pair(f'{layer}.intermediate.dense')
        y = quantised_linear(x, weights, f'l{n}_f1', signed, smoothed=True)
        y = g.op('Gelu', [g.op('Sum', [y, g.constant(f'l{n}_f1_b', bias)])], MICROSOFT)
        weights, bias = pair(f'{layer}.output.dense')
        weights, scales = rounded(weights, calibration[f'moments_l{n}_f2'])
        y = g.op('Sum', [y, g.constant('shift', np.float32(SHIFT))])
        y = g.linear(y, weights, scales, f'l{n}_f2', unsigned, positive=True)
        bias = bias - SHIFT * (weights * scales[:, None]).sum(1)
        x = g.op('Sum', [y, g.constant(f'l{n}_f2_b', bias.astype(np.float32)), x])
        x = g.normalised(x, f'l{n}_output', *pair(f'{layer}.output.LayerNorm'))
        print(f'layer {n + 1} of {LAYERS}', flush=True)

    inputs = ['input_ids', 'attention_mask', 'token_type_ids']
    return g.model('all-MiniLM-L6-v2', inputs, g.op('Reshape', [x, by_text]), ['batch', 'sequence', WIDTH])


def main(calibration='calibration.npz', out='../onnx/model_int8.onnx'):
    onnx.save(build(np.load(calibration)), out)
    print(out)


if __name__ == '__main__':
    main(*sys.argv[1:])
