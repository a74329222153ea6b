"""What each linear layer of the fp32 model reads, over the calibration sentences: the largest value of each
channel (for SmoothQuant) and the second moments (for GPTQ). Writes calibration.npz, about 130 MB.

    python calibrate.py [calibration.json] [calibration.npz]
"""

import json
import sys

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer

from source import folder

BATCH = 32
MAX_TOKENS = 256


def main(sentences='calibration.json', out='calibration.npz'):
    # One thread adds in one order: the same sums from run to run.
    torch.set_num_threads(1)
    texts = [text for of_source in json.load(open(sentences)).values() for text in of_source]
    tokenizer = AutoTokenizer.from_pretrained(folder())
    model = AutoModel.from_pretrained(folder(), attn_implementation='eager').eval()
    moments, largest, mask = {}, {}, None

    def reads(tag):
        def hook(_module, inputs, _output):
            x = inputs[0].reshape(-1, inputs[0].shape[-1])[mask.reshape(-1)].double()
            moments[tag] = moments.get(tag, 0) + x.T @ x
            seen = x.abs().amax(0)
            largest[tag] = torch.maximum(largest[tag], seen) if tag in largest else seen

        return hook

    for n, layer in enumerate(model.encoder.layer):
        layer.attention.self.query.register_forward_hook(reads(f'l{n}_qkv'))
        layer.attention.output.dense.register_forward_hook(reads(f'l{n}_o'))
        layer.intermediate.dense.register_forward_hook(reads(f'l{n}_f1'))
        layer.output.dense.register_forward_hook(reads(f'l{n}_f2'))
    # Texts of similar length together: less padding to compute.
    texts.sort(key=len)
    with torch.no_grad():
        for start in range(0, len(texts), BATCH):
            batch = tokenizer(
                texts[start : start + BATCH], padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors='pt'
            )
            mask = batch['attention_mask'].bool()
            model(**batch)
    np.savez(
        out,
        **{f'moments_{tag}': m.numpy() for tag, m in moments.items()},
        **{f'largest_{tag}': m.numpy().astype(np.float32) for tag, m in largest.items()},
    )
    print(f'{out}: {len(texts)} texts')


if __name__ == '__main__':
    main(*sys.argv[1:])
