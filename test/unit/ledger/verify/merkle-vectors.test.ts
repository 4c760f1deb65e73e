import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { VerifyError, verifyConsistency, verifyInclusion } from '../../../../src/ledger/verify/index.ts';

interface Vector {
  readonly file: string;
  readonly proof: readonly string[] | null;
  readonly wantErr: boolean;
}
interface Inclusion extends Vector {
  readonly leafIdx: number;
  readonly treeSize: number;
  readonly root: string | null;
  readonly leafHash: string | null;
}
interface Consistency extends Vector {
  readonly size1: number;
  readonly size2: number;
  readonly root1: string | null;
  readonly root2: string | null;
}

/** The proofs, good and bad, with which other authors test theirs; the file names its source. */
const vectors: { readonly inclusion: readonly Inclusion[]; readonly consistency: readonly Consistency[] } = JSON.parse(
  readFileSync(new URL('../../../vectors/ledger/merkle-proofs.json', import.meta.url), 'utf8'),
);
const bytes = (text: string | null): Buffer => Buffer.from(text ?? '', 'base64');

function judge({ file, wantErr }: Vector, act: () => void): void {
  if (wantErr) assert.throws(act, VerifyError, file);
  else assert.doesNotThrow(act, file);
}

test('98 inclusion proofs of other authors are judged as they judge them', () => {
  assert.equal(vectors.inclusion.length, 98);
  for (const one of vectors.inclusion) {
    const proof = (one.proof ?? []).map(bytes);
    judge(one, () => verifyInclusion(bytes(one.leafHash), one.leafIdx, one.treeSize, proof, bytes(one.root)));
  }
});

/** Accepted by others with a placeholder of 12 bytes as root; here no root of another length is ever accepted. */
const PLACEHOLDER_ROOT = 'additional/sizes-are-equal-one-and-proof-is-empty.json';

test('98 consistency proofs of other authors are judged as they judge them', () => {
  assert.equal(vectors.consistency.length, 98);
  for (const one of vectors.consistency) {
    const proof = (one.proof ?? []).map(bytes);
    const wantErr = one.wantErr || one.file === PLACEHOLDER_ROOT;
    judge({ ...one, wantErr }, () =>
      verifyConsistency(one.size1, one.size2, proof, bytes(one.root1), bytes(one.root2)),
    );
  }
});
