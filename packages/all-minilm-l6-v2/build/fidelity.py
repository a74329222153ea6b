"""How near vectors are to those of sentence-transformers with fp32 weights, over evaluation.json.

    npm run quality -- vectors.json          in the root of the repository: what the server computes
    python fidelity.py vectors.json

Prints for each kind of text, and for all together: the cosine of each vector with its reference (mean and least), and how
many of each text's ten nearest among the others are the same ten (mean).
"""

import json
import sys

import numpy as np

NEAREST = 10
BLOCK = 256


def evaluation():
    """Texts by kind."""
    kinds = json.load(open('evaluation.json'))
    return {kind: [text for texts in sources.values() for text in texts] for kind, sources in kinds.items()}


def reference(texts):
    """Unit vectors [texts, dimension] as sentence-transformers gives them."""
    from sentence_transformers import SentenceTransformer

    from source import folder

    model = SentenceTransformer(folder(), device='cpu')
    model.max_seq_length = 256
    return model.encode(texts, normalize_embeddings=True)


def nearest(vectors):
    """The indexes of each vector's nearest among the others, [vectors, NEAREST]."""
    found = []
    for start in range(0, len(vectors), BLOCK):
        likeness = vectors[start : start + BLOCK] @ vectors.T
        rows = np.arange(len(likeness))
        likeness[rows, start + rows] = -np.inf
        found.append(np.argpartition(-likeness, NEAREST, axis=1)[:, :NEAREST])
    return np.concatenate(found)


def table(by_kind):
    """Prints the table. @param by_kind unit vectors of evaluation(), in its order. @returns the nearest kept, over all"""
    print('| texts | | cosine, mean | least | ten nearest kept |\n|---|---|---|---|---|')
    pairs = {kind: (np.asarray(by_kind[kind], np.float32), reference(texts)) for kind, texts in evaluation().items()}
    pairs['all'] = tuple(np.concatenate([pair[side] for pair in pairs.values()]) for side in (0, 1))
    for kind, (ours, theirs) in pairs.items():
        cosines = (ours * theirs).sum(1)
        same = [len(set(a) & set(b)) / NEAREST for a, b in zip(nearest(ours), nearest(theirs), strict=True)]
        kept = float(np.mean(same))
        print(f'| {kind} | {len(ours):,} | {cosines.mean():.4f} | {cosines.min():.4f} | {kept:.3f} |')
    return kept


if __name__ == '__main__':
    table(json.load(open(sys.argv[1])))
