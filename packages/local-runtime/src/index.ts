/**
 * What EmbedQL's local models need of transformers.js, and no more. In the published package this is one bundled file, with
 * ONNX Runtime's binding for the CPU of this machine; types are those of `@huggingface/transformers`.
 */
export {
  AutoModel,
  AutoTokenizer,
  type DataType,
  env,
  type PreTrainedModel,
  type PreTrainedTokenizer,
  Tensor,
} from '@huggingface/transformers';
