import type { Refusal } from '../../model/refusal.ts';
import type { Likeness } from './recogniser.ts';

const HINT = 'Leave the column out of what you write, or ask for access to the unmasked data.';

/** Where a value was about to be written. */
export interface Place {
  /** `schema.name` */
  readonly relation: string;
  readonly column: string | undefined;
  /** Hidden from the principal. */
  readonly hidden: boolean;
}

function named({ relation, column }: Place): string {
  return column === undefined ? relation : `column "${column}" of ${relation}`;
}

function refused(message: string, detail: string, position: number | undefined): Refusal {
  return {
    code: 'mask-written',
    message: `gatehouse: ${message}`,
    detail,
    hint: HINT,
    ...(position === undefined ? {} : { position }),
  };
}

/** A value looks like what a mask shows. */
export function likenessRefusal(place: Place, likeness: Likeness, position?: number): Refusal {
  if (likeness === 'mark') {
    const detail = place.hidden
      ? 'Stored, it would take the place of the value that it stands for.'
      : 'Stored as data, nobody could tell it from a value any more.';
    return refused(`the value for ${named(place)} holds a pseudonym, not a value`, detail, position);
  }
  return refused(
    `the value for ${named(place)} is what the mask shows you of it`,
    'The column is hidden from you: written back, the mask would take the place of the value.',
    position,
  );
}

/** A value derives from a masked column. */
export function derivedRefusal(place: Place, source: string): Refusal {
  return refused(
    `${named(place)} would get values that come from ${source}, which is masked for you`,
    'What is masked may be read and kept in temporary tables; stored as data, nobody could tell it from values any more.',
    undefined,
  );
}

/** A value comes from where nobody can tell whether it is masked. */
export function unfollowedRefusal(place: Place): Refusal {
  return refused(
    `${named(place)} is hidden from you, and the value for it comes from a temporary table or a variable`,
    'What is in there may be masked: written back, the mask would take the place of the value.',
    undefined,
  );
}

/** The data of COPY cannot be read in this encoding. */
export function encodingRefusal(relation: string, encoding: string): Refusal {
  return {
    code: 'mask-written',
    message: `gatehouse: COPY into ${relation}, which has columns that are hidden from you, cannot be looked through in encoding ${encoding}`,
    detail: 'Masked values must not be written back.',
    hint: "Use SET client_encoding TO 'UTF8'.",
    sqlstate: '0A000',
  };
}
