import { createHash } from 'node:crypto';
import type { PolicyId } from '../model/access.ts';
import {
  countPolicies,
  type DetailedError,
  type Finding,
  type PolicyJson,
  parsePolicy,
  validatePolicies,
} from './engine.ts';
import { mentionsOf } from './mentions.ts';
import type { Policy } from './policy.ts';
import { PolicySet } from './policy-set.ts';
import { characterAtByte, type PolicySource, positionOf, splitPolicies } from './split.ts';

export interface PolicyFile {
  /** File name without folder, e.g. `analysts.cedar`. */
  readonly name: string;
  readonly text: string;
}

/** One mistake, at its place in the file (1-based). */
export interface PolicyProblem {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
  /** What to do about it. */
  readonly help: string;
}

export interface LoadOptions {
  /** Labels that exist, without those above them; a policy about any other one gets a warning. Absent: not checked. */
  readonly labels?: Iterable<string>;
}

export type LoadedPolicies =
  | { readonly ok: PolicySet; readonly warnings: readonly PolicyProblem[] }
  | { readonly problems: readonly PolicyProblem[]; readonly warnings: readonly PolicyProblem[] };

const ANNOTATIONS = ['id', 'reason', 'approval', 'quorum'];
const MOST_APPROVERS = 20;

/**
 * Reads policy files: parses, checks against the schema (strictly) and against what this product can enforce. All mistakes of
 * all files come back together. No file, or no policy in them, is a valid set that permits nothing.
 */
export function loadPolicySet(files: readonly PolicyFile[], options: LoadOptions = {}): LoadedPolicies {
  const loader = new Loader(options.labels === undefined ? undefined : withAncestors(options.labels));
  const sorted = [...files].sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const file of sorted) loader.file(file);
  loader.validate();
  const warnings = inOrder(loader.warnings);
  if (loader.problems.length > 0) return { problems: inOrder(loader.problems), warnings };
  return { ok: new PolicySet(versionOf(sorted), loader.policies), warnings };
}

interface Draft {
  readonly file: PolicyFile;
  readonly source: PolicySource;
  readonly id: PolicyId;
}

class Loader {
  readonly problems: PolicyProblem[] = [];
  readonly warnings: PolicyProblem[] = [];
  readonly policies: Policy[] = [];
  readonly #labels: ReadonlySet<string> | undefined;
  readonly #drafts = new Map<PolicyId, Draft>();
  readonly #names = new Set<string>();

  constructor(labels: ReadonlySet<string> | undefined) {
    this.#labels = labels;
  }

  file(given: PolicyFile): void {
    const file = { ...given, text: given.text.replace(/^\ufeff/, '') }; // editors' byte order mark
    const sources = splitPolicies(file.text);
    if (this.#names.has(file.name)) {
      this.#problem(this.problems, file, 0, `there are two files named ${file.name}`, 'Give each file its own name.');
      return;
    }
    this.#names.add(file.name);
    const before = this.problems.length;
    for (const [index, source] of sources.entries()) this.#policy(file, source, index + 1);
    const counted = countPolicies(file.text);
    if (this.problems.length === before && counted !== sources.length) {
      const message = `Cedar reads ${counted ?? 'no'} policies in this file where ${sources.length} were found`;
      this.#problem(this.problems, file, 0, message, 'Check strings and comments for stray quotes and semicolons.');
    }
  }

  #policy(file: PolicyFile, source: PolicySource, number: number): void {
    const parsed = parsePolicy(source.text);
    if ('errors' in parsed) {
      for (const error of parsed.errors) this.#cedarProblem(this.problems, file, source, error);
      return;
    }
    const annotations = parsed.json.annotations ?? {};
    const place = `${file.name.replace(/\.cedar$/, '')}#${number}`;
    const named = { file, source, id: annotations['id'] ?? place };
    // a policy whose name is refused is still checked, under its place
    const draft = this.#mayBeCalled(named) ? named : { ...named, id: place };
    this.#drafts.set(draft.id, draft);
    const policy = this.#read(draft, parsed.json, annotations);
    for (const what of policy.mentions.problems) {
      const help = 'Row limits are enforced while rows stream, so every limit has to be readable from the policy.';
      this.#problem(
        this.problems,
        file,
        source.start,
        what,
        what.includes('context.rows') ? help : 'Write it another way.',
      );
    }
    this.#checkLabels(draft, policy);
    this.policies.push(policy);
  }

  #mayBeCalled(draft: Draft): boolean {
    const { file, source, id } = draft;
    const other = this.#drafts.get(id);
    if (id.trim() === '') {
      this.#problem(
        this.problems,
        file,
        source.start,
        '@id is empty',
        'Give the policy a name, as in @id("row-limit").',
      );
      return false;
    }
    if (other) {
      const place = `${other.file.name}:${positionOf(other.file.text, other.source.start).line}`;
      this.#problem(this.problems, file, source.start, `the id "${id}" is taken by ${place}`, 'Ids have to be unique.');
      return false;
    }
    return true;
  }

  #read(draft: Draft, json: PolicyJson, annotations: Readonly<Record<string, string | null>>): Policy {
    const { file, source, id } = draft;
    const wrong = (message: string, help: string) =>
      this.#problem(this.problems, file, source.start, `policy ${id}: ${message}`, help);
    for (const name of Object.keys(annotations)) {
      if (ANNOTATIONS.includes(name)) continue;
      const help = `Known are ${ANNOTATIONS.map((known) => `@${known}`).join(', ')}.`;
      this.#problem(this.warnings, file, source.start, `policy ${id}: @${name} has no meaning here`, help);
    }
    const approvers = annotations['approval']?.split(',').flatMap((group) => group.trim() || []);
    const quorum = annotations['quorum'];
    const mentions = mentionsOf(json);
    if ('approval' in annotations) {
      if (json.effect !== 'forbid') {
        wrong('@approval stands on a permit', 'Only a forbid can be lifted by consent; put @approval on a forbid.');
      } else if (!approvers || approvers.length === 0) {
        wrong('@approval names no group', 'Say who may consent, as in @approval("data-owners").');
      } else if (!mentions.attributes.has('approved')) {
        const help = 'Consent will not lift it; add: unless { context.approved }';
        const message = `policy ${id}: @approval, but the policy does not look at context.approved`;
        this.#problem(this.warnings, file, source.start, message, help);
      }
    }
    if ('quorum' in annotations) {
      if (!('approval' in annotations))
        wrong('@quorum without @approval', 'Add @approval with the groups that may consent.');
      if (!/^[1-9]\d?$/.test(quorum ?? '') || Number(quorum) > MOST_APPROVERS) {
        wrong(
          `@quorum is not a number from 1 to ${MOST_APPROVERS}`,
          'Say how many people have to consent, as in @quorum("2").',
        );
      }
    }
    const reason = annotations['reason'];
    return {
      id,
      file: file.name,
      line: positionOf(file.text, source.start).line,
      text: source.text,
      effect: json.effect,
      ...(reason && { reason }),
      ...(approvers && { approvers }),
      quorum: Number(quorum ?? 1),
      mentions,
    };
  }

  #checkLabels({ file, source }: Draft, policy: Policy): void {
    if (!this.#labels) return;
    for (const entity of policy.mentions.entities) {
      const label = entity.startsWith('Label::') ? entity.slice('Label::'.length) : undefined;
      if (label === undefined || this.#labels.has(label)) continue;
      const message = `policy ${policy.id}: nothing carries the label "${label}"`;
      this.#problem(
        this.warnings,
        file,
        source.start,
        message,
        'Check its spelling, or label a column or table with it.',
      );
    }
  }

  /** Types and names, for every policy that parses. */
  validate(): void {
    if (this.#drafts.size === 0) return;
    const texts = Object.fromEntries([...this.#drafts].map(([id, { source }]) => [id, source.text]));
    const { errors, warnings } = validatePolicies(texts);
    this.#findings(errors, this.problems);
    const broken = new Set(errors.map(({ policy }) => policy));
    this.#findings(
      warnings.filter(({ policy }) => !broken.has(policy)),
      this.warnings,
    );
  }

  #findings(findings: readonly Finding[], into: PolicyProblem[]): void {
    const seen = new Set<string>(); // one mistake is found once per action and principal type
    for (const { policy, error } of findings) {
      const draft = this.#drafts.get(policy);
      if (!draft) continue;
      const message = error.message
        .replace(/^for policy `.*?`, /s, '')
        .replace(/ in context for Action::"\w+"/, ' in context');
      const key = JSON.stringify([policy, message, error.sourceLocations?.[0]?.start]);
      if (seen.has(key)) continue;
      seen.add(key);
      this.#cedarProblem(into, draft.file, draft.source, { ...error, message });
    }
  }

  #cedarProblem(into: PolicyProblem[], file: PolicyFile, source: PolicySource, error: DetailedError): void {
    const location = error.sourceLocations?.[0];
    const at = source.start + characterAtByte(source.text, location?.start ?? 0);
    const message = error.message.replace(/^failed to parse policy from string: /, '');
    const help = error.help ?? location?.label ?? 'See docs/policies.md for the vocabulary.';
    this.#problem(into, file, at, message, help);
  }

  #problem(into: PolicyProblem[], file: PolicyFile, at: number, message: string, help: string): void {
    into.push({ file: file.name, ...positionOf(file.text, at), message, help });
  }
}

/** Files are told apart by the lengths in front: no two lists of files have the same version. */
function versionOf(sorted: readonly PolicyFile[]): string {
  const hash = createHash('sha256');
  for (const { name, text } of sorted)
    hash.update(`${Buffer.byteLength(name)}:${name}${Buffer.byteLength(text)}:${text}`);
  return `sha256:${hash.digest('hex')}`;
}

function withAncestors(labels: Iterable<string>): Set<string> {
  const all = new Set<string>();
  for (const label of labels) {
    const parts = label.split('.');
    for (let depth = 1; depth <= parts.length; depth++) all.add(parts.slice(0, depth).join('.'));
  }
  return all;
}

function inOrder(problems: readonly PolicyProblem[]): PolicyProblem[] {
  const order = (a: PolicyProblem, b: PolicyProblem) => a.line - b.line || a.column - b.column;
  return [...problems].sort((a, b) => (a.file === b.file ? order(a, b) : a.file < b.file ? -1 : 1));
}
