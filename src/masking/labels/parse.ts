import { type Document, isMap, isScalar, isSeq, LineCounter, type Node, parseAllDocuments, type YAMLMap } from 'yaml';
import type { LabelNote, LabelSource } from '../../model/label.ts';
import type { LabelFile } from '../../model/mask.ts';
import { parseRelationName, quoteIdentifier } from '../sql-name.ts';
import type { LabelProblem } from './problem.ts';

/** Key that labels the relation itself. */
export const TABLE_KEY = '$table';

const LABEL = /^[a-z0-9-]+(\.[a-z0-9-]+)*$/;

export const LABEL_SOURCES: readonly LabelSource[] = [
  'person',
  'comment',
  'security-label',
  'dbt',
  'detected',
  'scanned',
  'name',
];
const MOMENT = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?Z)?$/;

type LabelledRelation = LabelFile['relations'][number];

export interface ParsedLabels {
  /** One for each connection that the file names. */
  readonly files: readonly LabelFile[];
  readonly problems: readonly LabelProblem[];
}

/**
 * Reads one label file: connection → relation → column or `$table` → list of labels, each a name or a map that also says where the
 * label comes from: `{ label: pii.name, source: scanned, by: …, at: …, why: …, confidence: 97 }`. Every mistake is reported, with its
 * line; what could be read is given as well, but must not be used when a problem is an error.
 * @param file Name used in problems.
 */
export function parseLabelFile(text: string, file: string): ParsedLabels {
  const reader = new LabelReader(text, file);
  return { files: reader.read(), problems: reader.problems };
}

class LabelReader {
  readonly problems: LabelProblem[] = [];
  readonly #lines = new LineCounter();
  readonly #file: string;
  readonly #documents: readonly Document.Parsed[];

  constructor(text: string, file: string) {
    this.#file = file;
    const parsed = parseAllDocuments(text, { lineCounter: this.#lines, uniqueKeys: false, merge: false });
    this.#documents = 'empty' in parsed ? [] : parsed;
  }

  read(): LabelFile[] {
    const [document, second] = this.#documents;
    if (!document) return [];
    if (second)
      this.#report(
        second.range[0],
        'a label file holds one YAML document',
        'Move the second one to a file of its own.',
      );
    for (const error of document.errors)
      this.#report(
        error.pos[0],
        `this is not valid YAML: ${error.message.split('\n')[0]}`,
        'Mend it; nothing of the file is used until then.',
      );
    for (const warning of document.warnings)
      this.#report(warning.pos[0], `${warning.message.split('\n')[0]}`, 'Write it in plain YAML.', 'warning');
    if (document.errors.length > 0 || document.contents === null) return [];
    if (isScalar(document.contents) && document.contents.value === null) return [];
    const files: LabelFile[] = [];
    for (const { key, value } of this.#entries(document.contents, 'a file maps connection names to relations')) {
      const relations: LabelledRelation[] = [];
      const seen = new Map<string, number>();
      for (const entry of this.#entries(value, `connection ${key} maps relation names to columns`)) {
        const relation = this.#relation(entry.key, entry.offset, entry.value);
        if (!relation) continue;
        const earlier = seen.get(relation.relation);
        if (earlier !== undefined) {
          this.#report(
            entry.offset,
            `${relation.relation} is labelled on line ${earlier} already`,
            'Write all its columns in one place.',
          );
        }
        seen.set(relation.relation, relation.line);
        relations.push(relation);
      }
      files.push({ connection: key, relations });
    }
    return files;
  }

  #relation(written: string, offset: number, value: unknown): LabelledRelation | undefined {
    const name = parseRelationName(written);
    if (!name) {
      this.#report(
        offset,
        `${JSON.stringify(written)} is not a relation's name`,
        'Write it as in SQL: schema.table, shop."Kunden Straße".',
      );
      return undefined;
    }
    if (name.schema === undefined) {
      this.#report(
        offset,
        `${written} has no schema, so public.${written} is assumed`,
        `Write the schema too: public.${written}`,
        'warning',
      );
    }
    const columns = new Map<string, readonly string[]>();
    const notes = new Map<string, readonly LabelNote[]>();
    let tableLabels: readonly string[] = [];
    for (const { key, offset: at, value: list } of this.#entries(
      value,
      `${written} maps column names (or ${TABLE_KEY}) to lists of labels`,
    )) {
      const found = this.#labels(list, at, key === TABLE_KEY ? written : `${written}.${key}`);
      const labels = found.map(({ label }) => label);
      notes.set(key, found);
      if (key === TABLE_KEY) tableLabels = labels;
      else columns.set(key, labels);
    }
    return {
      relation: `${quoteIdentifier(name.schema ?? 'public')}.${quoteIdentifier(name.name)}`,
      tableLabels,
      columns,
      notes,
      file: this.#file,
      line: this.#line(offset),
    };
  }

  #labels(value: unknown, at: number, what: string): readonly LabelNote[] {
    if (!isSeq(value)) {
      this.#report(
        at,
        `the labels of ${what} are not a list`,
        'Write a list: [pii.contact.email]; an empty list [] says that nothing is sensitive.',
      );
      return [];
    }
    const notes: LabelNote[] = [];
    for (const item of value.items) {
      const offset = (item as Node | null)?.range?.[0] ?? at;
      const note = isMap(item) ? this.#note(item, offset) : this.#plain(item, offset);
      if (!note) continue;
      if (notes.some(({ label }) => label === note.label))
        this.#report(offset, `${note.label} stands twice on ${what}`, 'Remove one.');
      else notes.push(note);
    }
    return notes;
  }

  #plain(item: unknown, offset: number): LabelNote | undefined {
    const label = this.#label(isScalar(item) ? item.value : undefined, offset);
    return label === undefined ? undefined : { label, source: 'person', ...this.#place(offset) };
  }

  #label(value: unknown, offset: number): string | undefined {
    if (typeof value === 'string' && LABEL.test(value)) return value;
    this.#report(
      offset,
      `${JSON.stringify(value ?? null)} is not a label`,
      'Labels are words of lower-case letters, digits and hyphens, joined by dots: pii.contact.email.',
    );
    return undefined;
  }

  /** A label with its story. A word too many or a wrong value is a mistake: who reads the file has to be able to rely on it. */
  #note(item: YAMLMap, offset: number): LabelNote | undefined {
    const read: { -readonly [Key in keyof LabelNote]?: LabelNote[Key] } = {};
    let labelAt = offset;
    let named = false;
    for (const { key, offset: keyAt, value } of this.#entries(
      item,
      'a label is a name, or a map with label: its name',
    )) {
      const at = (value as Node | null)?.range?.[0] ?? keyAt;
      const plain = isScalar(value) ? value.value : undefined;
      if (key === 'label') {
        named = true;
        labelAt = at;
        const label = this.#label(plain, at);
        if (label !== undefined) read.label = label;
      } else if (key === 'source') {
        const source = LABEL_SOURCES.find((each) => each === plain);
        if (source !== undefined) read.source = source;
        else
          this.#report(
            at,
            `${JSON.stringify(plain ?? null)} is no source`,
            `Write one of ${LABEL_SOURCES.join(', ')}.`,
          );
      } else if (key === 'by' || key === 'why') {
        if (typeof plain === 'string') read[key] = plain;
        else this.#report(at, `${key} is not text`, 'Put it in quotes.');
      } else if (key === 'at') {
        if (typeof plain === 'string' && MOMENT.test(plain)) read.at = plain;
        else this.#report(at, 'at is no time', 'Write a date or a time in UTC: 2026-11-27, 2026-11-27T20:15:00Z.');
      } else if (key === 'confidence') {
        if (typeof plain === 'number' && Number.isInteger(plain) && plain >= 0 && plain <= 100) read.confidence = plain;
        else this.#report(at, 'confidence is no percentage', 'Write a whole number from 0 to 100.');
      } else {
        this.#report(keyAt, `a label has no ${key}`, 'Known are label, source, by, at, why and confidence.');
      }
    }
    if (!named) this.#report(offset, 'this entry names no label', 'Write { label: pii.contact.email, … }.');
    const { label } = read;
    return label === undefined ? undefined : { source: 'person', ...read, label, ...this.#place(labelAt) };
  }

  #place(offset: number): Pick<LabelNote, 'file' | 'line' | 'column'> {
    const { line, col } = this.#lines.linePos(offset);
    return { file: this.#file, line, column: col };
  }

  /** The pairs of a mapping with text keys; duplicates, aliases and other shapes are reported. */
  *#entries(value: unknown, shape: string): Generator<{ key: string; offset: number; value: unknown }> {
    if (!isMap(value)) {
      const offset = (value as Node | null)?.range?.[0] ?? 0;
      this.#report(offset, 'this has the wrong shape', `Here ${shape}.`);
      return;
    }
    const seen = new Map<string, number>();
    for (const pair of (value as YAMLMap).items) {
      const key = isScalar(pair.key) ? pair.key.value : undefined;
      const offset = (pair.key as Node | null)?.range?.[0] ?? value.range?.[0] ?? 0;
      if (typeof key !== 'string' || key === '') {
        this.#report(offset, 'this name is not text', `Put it in quotes; here ${shape}.`);
        continue;
      }
      const earlier = seen.get(key);
      if (earlier !== undefined) this.#report(offset, `${key} stands on line ${earlier} already`, 'Keep one of them.');
      seen.set(key, this.#line(offset));
      yield { key, offset, value: pair.value };
    }
  }

  #line(offset: number): number {
    return this.#lines.linePos(offset).line;
  }

  #report(offset: number, message: string, help: string, severity: LabelProblem['severity'] = 'error'): void {
    const { line, col } = this.#lines.linePos(offset);
    this.problems.push({ file: this.#file, line, column: col, severity, message, help });
  }
}
