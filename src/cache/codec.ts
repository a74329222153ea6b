import { crc32 } from 'node:zlib';
import type { CachedVector } from '../core/cache.ts';
import { isFiniteVector, vectorFromBytes, vectorToBytes } from '../core/vectors.ts';

/** A vector as it lies in Redis and on the disk. */
export interface StoredVector extends CachedVector {
  /** When it was written, in seconds since 1970. */
  readonly writtenAt: number;
}

const formatVersion = 1;
const truncatedFlag = 1;

/**
 * Bytes before the numbers, all little-endian: format version (1), flags (1), nothing (2), dimension (4),
 * tokens (4), time of writing in seconds (4), CRC-32 of everything else (4).
 */
export const headerBytes = 20;
const checksumOffset = 16;

/** The header and the vector as little-endian float32. */
export function encodeVector({ vector, tokens, truncated, writtenAt }: StoredVector): Buffer {
  const value = Buffer.alloc(headerBytes + vector.byteLength);
  value.writeUInt8(formatVersion, 0);
  value.writeUInt8(truncated ? truncatedFlag : 0, 1);
  value.writeUInt32LE(vector.length, 4);
  value.writeUInt32LE(Math.min(tokens, 0xffff_ffff), 8);
  value.writeUInt32LE(Math.min(writtenAt, 0xffff_ffff), 12);
  vectorToBytes(vector).copy(value, headerBytes);
  value.writeUInt32LE(checksumOf(value), checksumOffset);
  return value;
}

/** What was encoded; undefined for anything that does not check out. */
export function decodeVector(value: Buffer): StoredVector | undefined {
  if (value.length < headerBytes || value.readUInt8(0) !== formatVersion) return undefined;
  if (value.length !== headerBytes + 4 * value.readUInt32LE(4)) return undefined;
  if (value.readUInt32LE(checksumOffset) !== checksumOf(value)) return undefined;
  const vector = vectorFromBytes(value.subarray(headerBytes));
  if (!isFiniteVector(vector)) return undefined;
  return {
    vector,
    tokens: value.readUInt32LE(8),
    truncated: (value.readUInt8(1) & truncatedFlag) !== 0,
    writtenAt: value.readUInt32LE(12),
  };
}

function checksumOf(value: Buffer): number {
  return crc32(value.subarray(headerBytes), crc32(value.subarray(0, checksumOffset)));
}
