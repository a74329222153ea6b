"""A thin layer over onnx.helper: nodes, constants and the two patterns that the model is made of."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

MICROSOFT = 'com.microsoft'


class Graph:
    """Collects nodes and constants. Values are named by strings, as in ONNX."""

    def __init__(self):
        self.nodes = []
        self.constants = {}

    def constant(self, name, value):
        self.constants.setdefault(name, numpy_helper.from_array(np.array(value, order='C'), name))
        return name

    def whole(self, *values):
        """A constant list of int64."""
        return self.constant('i_' + '_'.join(map(str, values)), np.array(values, np.int64))

    def op(self, kind, inputs, domain='', outputs=1, **attributes):
        name = f'{kind}_{len(self.nodes)}'
        names = [f'{name}_{i}' for i in range(outputs)] if outputs > 1 else [name]
        self.nodes.append(helper.make_node(kind, inputs, names, name=name, domain=domain, **attributes))
        return names if outputs > 1 else names[0]

    def quantised(self, x, zeros, positive=False):
        """A row of `x` as bytes with a scale of its own: no row, and so no text, depends on another.
        @param zeros the zero point of each row. @returns the bytes, and the scales [rows, 1]"""
        largest = self.op('ReduceMax', [x if positive else self.op('Abs', [x])], axes=[-1], keepdims=1)
        step = self.constant('inv255', np.float32(1 / 255)) if positive else self.constant('inv127', np.float32(1 / 127))
        scale = self.op('Mul', [largest, step])
        return self.op('QuantizeLinear', [x, self.op('Reshape', [scale, self.whole(-1)]), zeros], axis=0), scale

    def linear(self, x, weights, scales, tag, zeros, positive=False):
        """`x` times whole-numbered weights [rows, columns], without a bias."""
        data, scale = self.quantised(x, zeros, positive)
        zero = self.constant('z0' if positive else 'z128', np.uint8(0 if positive else 128))
        y = self.op(
            'MatMulIntegerToFloat',
            [
                data,
                self.constant(f'{tag}_q', weights.T),
                self.constant('one', np.float32(1)),
                self.constant(f'{tag}_s', scales),
                zero,
            ],
            MICROSOFT,
        )
        return self.op('Mul', [y, scale])

    def normalised(self, x, name, weight, bias):
        parameters = [self.constant(f'{name}_w', weight), self.constant(f'{name}_b', bias)]
        return self.op('LayerNormalization', [x, *parameters], axis=-1, epsilon=1e-12)

    def model(self, name, inputs, output, dimensions):
        """@param output what the model gives. @returns an ONNX model with `inputs` of int64 [batch, sequence]"""
        last = 'last_hidden_state'
        self.nodes.append(helper.make_node('Identity', [output], [last]))
        graph = helper.make_graph(
            self.nodes,
            name,
            [helper.make_tensor_value_info(i, TensorProto.INT64, ['batch', 'sequence']) for i in inputs],
            [helper.make_tensor_value_info(last, TensorProto.FLOAT, dimensions)],
            list(self.constants.values()),
        )
        opsets = [helper.make_opsetid('', 17), helper.make_opsetid(MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)
