import { make } from './elements.js';

/** The vector of an `embeddingBase64`. */
export function decodeVector(base64) {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  return new Float32Array(bytes.buffer);
}

export function cosine(a, b) {
  let dot = 0;
  let aSquares = 0;
  let bSquares = 0;
  for (let i = 0; i < a.length; i++) {
    dot += a[i] * b[i];
    aSquares += a[i] ** 2;
    bSquares += b[i] ** 2;
  }
  return dot / Math.sqrt(aSquares * bSquares);
}

const bars = 64;
const height = 28;

/** The form of a vector: its numbers in groups, each as a bar from the least to the largest of its group. */
export function drawForm(vector) {
  const canvas = make('canvas', {
    class: 'form',
    width: bars * 2,
    height,
    role: 'img',
    'aria-label': `The numbers of the vector, from ${Math.min(...vector).toFixed(2)} to ${Math.max(...vector).toFixed(2)}`,
  });
  const context = canvas.getContext('2d');
  const largest = Math.max(...vector.map(Math.abs)) || 1;
  const size = vector.length / bars;
  const middle = height / 2;
  // One grey that stands out from white and from black.
  context.fillStyle = '#7c7fd0';
  for (let bar = 0; bar < bars; bar++) {
    const group = vector.subarray(
      Math.floor(bar * size),
      Math.max(Math.floor((bar + 1) * size), Math.floor(bar * size) + 1),
    );
    const top = middle - (Math.max(0, ...group) / largest) * middle;
    const bottom = middle - (Math.min(0, ...group) / largest) * middle;
    context.fillRect(bar * 2, top, 1.5, Math.max(1, bottom - top));
  }
  return canvas;
}
