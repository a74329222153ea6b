// Stands in for sharp, which reads images: text models call none of it.

export default function sharp(): never {
  throw new Error('@embedql/local-runtime reads texts only, no images.');
}
