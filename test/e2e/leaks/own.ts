import type { Case, Item, Mode, Probe } from './cases.ts';

/** Cases of a theme: statements that show a protected value, in as many ways as the theme has. */
export const theme =
  (category: string, mode: Mode = 'simple') =>
  (cases: Readonly<Record<string, Item | readonly Item[]>>, more: Partial<Case> = {}): readonly Case[] =>
    Object.entries(cases).map(([name, statements]) => ({
      id: `${category}: ${name}`,
      category,
      class: 'direct',
      mode,
      statements: Array.isArray(statements) ? statements : [statements],
      ...more,
    }));

/** Questions with yes or no, by which a value is found out character by character. */
export const probes = (
  category: string,
  cases: Readonly<Record<string, Probe>>,
  more: Partial<Case> = {},
): readonly Case[] =>
  Object.entries(cases).map(([name, probe]) => ({
    id: `${category}: ${name}`,
    category,
    class: 'inference',
    mode: 'simple',
    statements: [{ probe }],
    ...more,
  }));
