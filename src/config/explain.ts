import type { z } from 'zod';
import type { YamlFile } from './document.ts';
import { nearest, type Problem } from './problem.ts';

type Issue = z.core.$ZodIssue;
type Schema = z.core.$ZodType;

/** Turns what the schema found into problems for people: one for each mistake, unknown keys one by one. */
export function explainIssues(file: string, yaml: YamlFile, schema: Schema, issues: readonly Issue[]): Problem[] {
  return issues.flatMap((issue) => explain(file, yaml, schema, issue, []));
}

function explain(file: string, yaml: YamlFile, root: Schema, issue: Issue, base: readonly PropertyKey[]): Problem[] {
  const path = [...base, ...issue.path].map((step) => (typeof step === 'number' ? step : String(step)));
  const error = (where: { line: number; column: number }, message: string, help: string): Problem => ({
    file,
    ...where,
    severity: 'error',
    message,
    help,
  });
  const name = path.length === 0 ? 'the file' : path.join('.');
  const found = valueAt(yaml.value, path);
  const shown = path.includes('password') ? 'what stands there' : show(found);
  const here = helpFor(root, path);

  if (issue.code === 'unrecognized_keys') {
    const known = keysOf(schemasAt(root, path));
    return issue.keys.map((key) => {
      const meant = nearest(key, known);
      const help = meant === undefined ? `Known here: ${known.join(', ')}.` : `Did you mean ${meant}?`;
      return error(yaml.keyPlace([...path, key]), `unknown key ${key}${path.length === 0 ? '' : ` in ${name}`}`, help);
    });
  }
  if (issue.code === 'invalid_key') {
    return [
      error(
        yaml.keyPlace(path),
        `${JSON.stringify(path.at(-1))} cannot be used as a name here`,
        helpFor(root, path.slice(0, -1)),
      ),
    ];
  }
  if (found === undefined) {
    return [error(yaml.place(path), `${name} is missing`, here)];
  }
  const where = yaml.place(path);
  switch (issue.code) {
    case 'invalid_union': {
      // Only the branches of the value's own shape say something useful about it.
      const deeper = issue.errors.filter(
        (branch) => !branch.some((inner) => inner.path.length === 0 && isShapeMismatch(inner)),
      );
      const [branch] = deeper.toSorted((a, b) => a.length - b.length);
      if (branch !== undefined) return branch.flatMap((inner) => explain(file, yaml, root, inner, path));
      const words = issue.errors
        .flat()
        .flatMap((inner) => (inner.code === 'invalid_value' ? inner.values.map(String) : []));
      const meant = typeof found === 'string' ? nearest(found, words) : undefined;
      const help = meant === undefined ? here : `Did you mean ${meant}? ${here}`;
      return [error(where, `${name} cannot be ${shown}`, help)];
    }
    case 'invalid_value': {
      const values = issue.values.map(String);
      const meant = typeof found === 'string' ? nearest(found, values) : undefined;
      const options = values.length === 1 ? `Supported: ${values[0]}.` : `One of: ${values.join(', ')}.`;
      return [
        error(where, `${name} cannot be ${shown}`, meant === undefined ? options : `Did you mean ${meant}? ${options}`),
      ];
    }
    case 'invalid_type':
      return [error(where, `${name} must be ${article(issue.expected)}, not ${shown}`, here)];
    case 'too_small':
    case 'too_big': {
      const [least, bound] = issue.code === 'too_small' ? ['at least', issue.minimum] : ['at most', issue.maximum];
      if (issue.origin === 'array') return [error(where, `${name} must have ${least} ${bound} entries`, here)];
      if (issue.origin === 'string') {
        const what = shown === '""' ? `${name} is empty` : `${name} must have ${least} ${bound} characters`;
        return [error(where, what, here)];
      }
      const words = issue.inclusive === false ? (issue.code === 'too_small' ? 'above' : 'below') : least;
      return [error(where, `${name} must be ${words} ${bound}, not ${shown}`, here)];
    }
    case 'invalid_format':
      return [error(where, `${name} cannot be ${shown}`, here)];
    default:
      return [error(where, `${name}: ${issue.message}`, here)];
  }
}

function isShapeMismatch(issue: Issue): boolean {
  if (issue.code === 'invalid_type' || issue.code === 'invalid_value') return true;
  // `{ fil: x }` fits no branch of a union of objects; the union as a whole has the better help.
  return issue.code === 'unrecognized_keys';
}

function article(expected: string): string {
  switch (expected) {
    case 'object':
    case 'record':
      return 'a map of names to values';
    case 'array':
      return 'a list';
    case 'int':
      return 'a whole number';
    case 'string':
      return 'a text';
    default:
      return `a ${expected}`;
  }
}

/** The value, shortened. Never called for what stands under a password. */
function show(value: unknown): string {
  if (value === null) return 'empty';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return `a map with ${Object.keys(value).join(', ') || 'nothing in it'}`;
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

function valueAt(value: unknown, path: readonly (string | number)[]): unknown {
  let at = value;
  for (const step of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, step)) return undefined;
    at = (at as Record<string | number, unknown>)[step];
  }
  return at;
}

/** The description next to the value; where a value inside a union has none, that of the nearest value around it. */
function helpFor(root: Schema, path: readonly (string | number)[]): string {
  if (path.length === 0) return 'gatehouse init writes one to start from.';
  for (const schema of schemasAt(root, path)) {
    const meta = metaOf(schema);
    if (meta?.description === undefined) continue;
    const example = meta.examples?.[0];
    const shown =
      example === undefined ? '' : ` Example: ${typeof example === 'string' ? example : JSON.stringify(example)}`;
    return `${meta.description}.${shown}`;
  }
  return helpFor(root, path.slice(0, -1));
}

function metaOf(schema: Schema): { description?: string; examples?: readonly unknown[] } | undefined {
  const meta = (schema as z.ZodType).meta?.();
  return meta as { description?: string; examples?: readonly unknown[] } | undefined;
}

/** Every schema that judges the value at the path, wrappers and union branches included, outermost first. */
function schemasAt(root: Schema, path: readonly (string | number)[]): Schema[] {
  let level = unwrap(root);
  for (const step of path) {
    level = level.flatMap((schema) => {
      const def = (schema as z.core.$ZodTypes)._zod.def;
      if (def.type === 'object') {
        const next = def.shape[String(step)];
        return next === undefined ? [] : unwrap(next);
      }
      if (def.type === 'record') return unwrap(def.valueType);
      if (def.type === 'array') return unwrap(def.element);
      return [];
    });
  }
  return level;
}

function unwrap(schema: Schema): Schema[] {
  const def = (schema as z.core.$ZodTypes)._zod.def;
  if (def.type === 'optional') return [schema, ...unwrap(def.innerType)];
  if (def.type === 'union') return [schema, ...def.options.flatMap(unwrap)];
  return [schema];
}

function keysOf(schemas: readonly Schema[]): string[] {
  return schemas.flatMap((schema) => {
    const def = (schema as z.core.$ZodTypes)._zod.def;
    return def.type === 'object' ? Object.keys(def.shape).filter((key) => !key.startsWith('$')) : [];
  });
}
