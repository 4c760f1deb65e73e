import type { Report } from './build.ts';
import { type ConfigDocument, configDocument } from './schema.ts';

/** The part of a document that fits the schema, and what to do with findings about it. */
export interface SoundPart {
  readonly document: ConfigDocument;
  /** Drops findings about places that were left out, and puts list positions back to those of the file. */
  narrowed(report: Report): Report;
}

export function whole(document: ConfigDocument): SoundPart {
  return { document, narrowed: (report) => report };
}

interface Written {
  readonly [name: string]: unknown;
  readonly connections?: unknown;
  readonly identity?: unknown;
  readonly issuers?: unknown;
}

/** Keeps every top-level entry, connection and issuer that fits by itself. */
export function salvage(value: unknown): SoundPart {
  const written: Written = isRecord(value) ? value : {};
  const left: Record<string, unknown> = {};
  const dropped = new Set<string>();
  const shape = configDocument.shape;
  for (const [key, schema] of Object.entries(shape)) {
    if (key === 'connections' || key === 'identity') continue;
    const judged = schema.safeParse(written[key]);
    if (!judged.success) dropped.add(key);
    else if (judged.data !== undefined) left[key] = judged.data;
  }

  const connections: Record<string, unknown> = {};
  if (isRecord(written.connections)) {
    for (const [name, entry] of Object.entries(written.connections)) {
      const judged = shape.connections.safeParse({ [name]: entry });
      if (judged.success) Object.assign(connections, judged.data);
    }
    if (Object.keys(connections).length === 0 && Object.keys(written.connections).length > 0)
      dropped.add('connections');
  } else {
    dropped.add('connections');
  }

  const issuers: unknown[] = [];
  const positions: number[] = [];
  const listed = isRecord(written.identity) ? written.identity.issuers : undefined;
  for (const [position, entry] of (Array.isArray(listed) ? listed : []).entries()) {
    const judged = shape.identity.safeParse({ issuers: [entry] });
    if (!judged.success) continue;
    issuers.push(...judged.data.issuers);
    positions.push(position);
  }

  return {
    document: { ...left, connections, identity: { issuers } } as ConfigDocument,
    narrowed: (report) => (path, severity, message, help) => {
      const [top, list, position, ...rest] = path;
      if (dropped.has(String(top))) return;
      const inFile = typeof position === 'number' ? (positions[position] ?? position) : position;
      report(
        top === 'identity' && inFile !== undefined ? [top, list ?? '', inFile, ...rest] : path,
        severity,
        message,
        help,
      );
    },
  };
}

function isRecord(value: unknown): value is Written {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
