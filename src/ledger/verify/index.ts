export { type Checkpoint, formatCheckpoint, openCheckpoint, parseCheckpoint } from './checkpoint.ts';
export {
  type DisclosedValue,
  type DisclosureLine,
  disclosureDigest,
  parseDisclosure,
  parseDisclosureLine,
} from './disclosure.ts';
export { type EntryEnvelope, parseEntry } from './entry.ts';
export { type VerifyCode, VerifyError } from './errors.ts';
export { canonicalInteger, canonicalJson, canonicalString, isCanonicalJson } from './jcs.ts';
export {
  assertVerified,
  DEFAULT_DRIFT_MS,
  type LogReader,
  type Verdict,
  type VerifyOptions,
  type VerifyProblem,
  verifyLog,
} from './log.ts';
export {
  CompactRange,
  consistencyPath,
  EMPTY_ROOT,
  HASH_BYTES,
  inclusionPath,
  leafHash,
  nodeHash,
  rootOf,
  sha256,
  subtreeOf,
  verifyConsistency,
  verifyInclusion,
} from './merkle.ts';
export {
  cosignedText,
  encodeVkey,
  formatSignature,
  keyIdOf,
  NOTE_COSIGNATURE,
  NOTE_ED25519,
  type Note,
  type NoteSignature,
  parseNote,
  parseVkey,
  type Verifier,
  verifyNote,
} from './note.ts';
export { formatProof, type LogProof, parseProof, verifyProof } from './proof.ts';
export {
  bundlePath,
  disclosurePath,
  encodeBundle,
  hashesOnLevel,
  LARGEST_ENTRY,
  parseBundle,
  parseTile,
  partialFolder,
  TILE_WIDTH,
  type TileId,
  tilePath,
  tilesOfLevel,
} from './tiles.ts';
